// The page at `/` in a real browser, as its users see it.
import { browser } from "./browser.mjs";

/** A browser, and `tab(name, room)`: a tab of a person of their own who has entered a room as a guest. */
export async function people(t, url) {
  const chrome = await browser(t);
  return {
    chrome,
    tab: async (name, room, options = {}) => enter(await newPage(await chrome.newContext(options), url), name, room),
    fresh: async (options = {}) => newPage(await chrome.newContext(options), url),
  };
}

/** A page that keeps what went wrong in it: `errors`, and `foreign` requests. */
export async function newPage(context, url) {
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.errors = [];
  page.on("pageerror", (error) => page.errors.push(error.message));
  page.foreign = [];
  page.on("request", (request) => {
    if (new URL(request.url()).host !== new URL(url).host && !request.url().startsWith("data:")) page.foreign.push(request.url());
  });
  await page.goto(url);
  return page;
}

/** Comes in through the lobby, and is in the room. */
export async function enter(page, name, room) {
  await page.getByLabel("Your name").fill(name);
  await page.getByLabel("Room", { exact: true }).fill(room);
  await page.getByRole("button", { name: "Enter" }).click();
  await page.locator("#chat").waitFor({ state: "visible" });
  await page.locator("#state[data-state=connected]").waitFor();
  return page;
}

export async function say(page, text) {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Send", exact: true }).click();
}

export const sees = (page, text) => page.locator("#messages").getByText(text, { exact: true }).waitFor();

/** The row of a message. */
export const row = (page, text) => page.locator(".message", { has: page.getByText(text, { exact: true }) });

/** Presses one of a message's buttons. */
export async function act(page, text, name) {
  await row(page, text).hover();
  await row(page, text).getByRole("button", { name, exact: true }).click();
}

/** A room in the list at the side. */
export const listed = (page, name) => page.locator("#rooms .room", { has: page.locator(".name", { hasText: name }) });

/** One's own user id, as the page tells it. */
export async function userId(page) {
  await page.locator("#me").click();
  const id = await page.locator("dialog code").innerText();
  await page.keyboard.press("Escape");
  await page.locator("dialog").waitFor({ state: "detached" });
  return id;
}

/** Begins a direct conversation with somebody whose name the page has heard. */
export async function talkTo(page, name) {
  await page.getByRole("button", { name: "New conversation" }).click();
  await page.getByLabel("Name or user id").fill(name);
  await page.getByRole("button", { name: "Talk", exact: true }).click();
  await page.locator("#room-name").getByText(name, { exact: true }).waitFor();
}

/** Makes a group. `members` are names or ids. */
export async function makeGroup(page, name, ...members) {
  await page.getByRole("button", { name: "New conversation" }).click();
  await page.getByLabel("Group name").fill(name);
  await page.getByLabel("Members: names or ids").fill(members.join(", "));
  await page.getByRole("button", { name: "Make the group" }).click();
  await page.locator("#room-name").getByText(name, { exact: true }).waitFor();
}
