// The door: as a guest with a name, with an account, with a new one.

import { $ } from "./dom.js";

export class Lobby {
  /** @param {{guest: (name: string, room: string) => void, login: Function, register: Function}} on */
  constructor(on) {
    for (const choice of document.querySelectorAll("[data-way]")) choice.addEventListener("click", () => this.way(choice.dataset.way));
    $("enter").addEventListener("submit", (event) => {
      event.preventDefault();
      on.guest($("name").value.trim(), $("room").value.trim());
    });
    this.#ask($("login"), () => on.login($("login-name").value.trim(), $("login-password").value));
    this.#ask($("register"), () => on.register({
      username: $("register-name").value.trim(),
      displayName: $("register-shown").value.trim(),
      email: $("register-email").value.trim(),
      password: $("register-password").value,
    }));
  }

  fill({ name, room, token }) {
    $("name").value = name ?? "";
    $("room").value = room;
    if (!token) return;
    $("name").required = false;
    $("name").disabled = true;
    $("name").value = "(your token's)";
  }

  way(wanted) {
    const forms = { guest: "enter", login: "login", register: "register" };
    for (const [way, id] of Object.entries(forms)) $(id).hidden = way !== wanted;
    for (const choice of document.querySelectorAll("[data-way]")) choice.ariaPressed = String(choice.dataset.way === wanted);
    $("lobby-error").textContent = "";
    $(forms[wanted]).querySelector("input:not(:disabled)").focus();
  }

  show(words = "") {
    $("lobby").hidden = false;
    $("chat").hidden = true;
    $("lobby-error").textContent = words;
  }

  hide() {
    $("lobby").hidden = true;
    $("chat").hidden = false;
    for (const field of document.querySelectorAll("input[type=password]")) field.value = "";
  }

  #ask(form, enter) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const send = form.querySelector("[type=submit]");
      send.disabled = true;
      $("lobby-error").textContent = "";
      try {
        await enter();
      } catch (error) {
        $("lobby-error").textContent = error.message;
      } finally {
        send.disabled = false;
      }
    });
  }
}
