// Random histories of commands, replayed against the cluster: what every member sees (live, after coming back, in
// history, by catching up) is what a simple model says.
//
// MODEL_SEED=n replays the history of a failure; MODEL_HISTORIES says how many are tried, each with a seed of its own.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ask, connect, done, newGroup, newUser, randomUUID, send } from "../lib/clients.mjs";
import { Model, View, dice, plain, shown } from "../lib/model.mjs";
import { Listener, comeBack, goAway, settled } from "../lib/returning.mjs";
import { until } from "../lib/wait.mjs";

const EMOJIS = ["👍", "❤️", "👩‍🚀"];
const STEPS = 70;
const given = process.env.MODEL_SEED;
const seeds = given ? [Number(given)] : Array.from({ length: Number(process.env.MODEL_HISTORIES ?? 4) }, () => Math.floor(Math.random() * 2 ** 32));

for (const seed of seeds) {
  // The title is the promise; which history it was, a failure says.
  test("after any history of commands every member sees what the model says, live, resumed, in history and caught up", async (t) => {
    try {
      await new History(t, dice(seed)).run();
    } catch (error) {
      error.message = `MODEL_SEED=${seed}: ${error.message}`;
      throw error;
    }
  });
}

class History {
  model = new Model();

  constructor(t, dice) {
    this.t = t;
    this.dice = dice;
  }

  async run() {
    await this.begin();
    for (let step = 0; step < STEPS; step++) await this.step();
    for (const person of this.people) if (person.away) await this.back(person);
    await this.compare();
  }

  async begin() {
    const { t } = this;
    this.people = [];
    for (const name of ["Ann", "Ben", "Cem", "Dee"]) {
      const user = newUser(name);
      const socket = await connect(t, user, this.dice.chance(25) ? { transports: ["polling"] } : {});
      this.people.push({ user, socket, listener: new Listener(socket), away: false });
    }
    const [ann, ...others] = this.people;
    this.roomId = await newGroup(ann, others, `Model ${randomUUID().slice(0, 8)}`);
    for (const person of this.people) {
      person.view = new View(this.roomId);
      person.member = true;
      for (const event of person.listener.all) person.view.hear(event);
      person.socket.onAny((name, payload) => person.view.hear({ ...payload, name }));
    }
  }

  /** Somebody who is there and may act. */
  actor(may = (person) => person.member) {
    const able = this.people.filter((person) => !person.away && may(person));
    return able.length > 0 ? this.dice.one(able) : undefined;
  }

  message(of = () => true) {
    const some = [...this.model.messages.values()].filter(of);
    return some.length > 0 ? this.dice.one(some) : undefined;
  }

  async step() {
    const { dice, model, roomId } = this;
    const person = this.actor();
    const me = person.user.id;
    const admin = this.people[0];
    const roll = dice.below(100);
    if (roll < 35) {
      const replyTo = dice.chance(20) ? this.message()?.messageId : undefined;
      await this.send(person, replyTo);
    } else if (roll < 45) {
      // Several at once: the log decides their order, and all see that one.
      const senders = Array.from({ length: 2 + dice.below(4) }, () => this.actor());
      await Promise.all(senders.map((sender) => this.send(sender)));
    } else if (roll < 55) {
      const message = this.message(({ senderId }) => senderId === me);
      if (!message) return;
      const content = `edited ${randomUUID().slice(0, 8)}`;
      await done(person.socket, "message.edit", { messageId: message.messageId, roomId, content });
      model.edited(message.messageId, content);
    } else if (roll < 60) {
      const message = this.message(({ senderId }) => senderId === me || person === admin);
      if (!message) return;
      await done(person.socket, "message.delete", { messageId: message.messageId, roomId });
      model.deleted(message.messageId);
    } else if (roll < 75) {
      const message = this.message();
      if (!message) return;
      const emoji = dice.one(EMOJIS);
      const on = !(message.reactions[emoji] ?? []).includes(me);
      await done(person.socket, on ? "message.react" : "message.unreact", { messageId: message.messageId, roomId, emoji });
      model.reacted(message.messageId, me, emoji, on);
    } else if (roll < 80) {
      const message = this.message();
      if (!message || admin.away) return;
      await done(admin.socket, message.pinned ? "message.unpin" : "message.pin", { messageId: message.messageId, roomId });
      model.pinned(message.messageId, !message.pinned);
    } else if (roll < 90) {
      const one = dice.one(this.people.slice(1));
      if (one.away) await this.back(one);
      else await this.leave(one);
    } else {
      await this.refusals(person);
    }
  }

  async send(person, replyToId) {
    const content = `said ${randomUUID().slice(0, 8)}`;
    const tempId = randomUUID();
    const ack = await send(person.socket, this.roomId, content, { tempId, replyToId });
    // The same again, as a client does that did not hear the answer: posted once.
    if (this.dice.chance(20)) {
      const again = await send(person.socket, this.roomId, content, { tempId, replyToId });
      assert.equal(again.messageId, ack.messageId);
    }
    // Its place is in the echo.
    const echo = await until("the sender hears it", () => person.view.messages.get(ack.messageId));
    this.model.sent({ messageId: ack.messageId, senderId: person.user.id, content, replyTo: replyToId, seq: echo.seq });
  }

  async leave(person) {
    await settled(person.listener);
    await goAway(person.socket);
    person.away = true;
  }

  async back(person) {
    assert.equal(await comeBack(person.socket), true, `${person.user.name} goes on where they were`);
    person.away = false;
  }

  /** What must not be done changes nothing. */
  async refusals(person) {
    const { roomId } = this;
    const others = this.message(({ senderId }) => senderId !== person.user.id);
    if (!others) return;
    const edit = await ask(person.socket, "message.edit", { messageId: others.messageId, roomId, content: "not mine" });
    assert.equal(edit.error, "forbidden");
    if (person !== this.people[0]) {
      const pin = await ask(person.socket, "message.pin", { messageId: others.messageId, roomId });
      assert.equal(pin.error, "forbidden");
    }
  }

  async compare() {
    const { model, roomId, t } = this;
    const wanted = model.view();
    for (const person of this.people) {
      const { name } = person.user;
      await until(`${name}'s view is the model's`, () => {
        assert.deepEqual(person.view.view(), wanted);
        return true;
      }, { within: 20_000 });
      const seqs = person.view.seqs;
      assert.equal(new Set(seqs).size, seqs.length, `${name} heard every place once`);
      assert.deepEqual(seqs, [...seqs].sort((a, b) => a - b), `${name} heard them in order`);
      for (const direction of ["after", "before"]) {
        assert.deepEqual(await this.history(person.socket, direction), wanted, `${name}'s history, ${direction}`);
      }
      assert.deepEqual(await this.caughtUp(person.socket), wanted, `${name}, catching up from the beginning`);
    }
    const { user } = this.dice.one(this.people);
    const fresh = await connect(t, user);
    assert.deepEqual(await this.history(fresh, "after"), wanted, "on a new device");
    const { messages } = await done(fresh, "message.pins", { roomId });
    const pinned = wanted.filter((message) => message.pinned).map(({ messageId }) => messageId);
    assert.deepEqual(messages.map(({ messageId }) => messageId).sort(), pinned.sort());
  }

  /** All of history, in pages of an odd size, as the model has it. */
  async history(socket, direction) {
    const messages = [];
    for (let cursor = null; ; ) {
      const page = await done(socket, "message.history", { roomId: this.roomId, cursor, limit: 7, direction });
      messages.push(...page.messages);
      if (!page.hasMore) break;
      cursor = page.nextCursor;
    }
    if (direction === "before") messages.reverse();
    return messages.filter(({ type }) => type !== "system").map((message) => plain(shown(message)));
  }

  /** The room as the events since its beginning make it. */
  async caughtUp(socket) {
    const view = new View(this.roomId);
    for (let after = "0"; ; ) {
      const page = await done(socket, "message.sync", { roomId: this.roomId, after, limit: 9 });
      for (const { name, data } of page.events) view.hear({ ...data, name });
      after = page.nextCursor;
      if (!page.hasMore) break;
    }
    return view.view();
  }
}
