// The account in the header: sign in with a name, or log out.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { nameProblem, useUser } from "./user.js";

function dialog() {
  return /** @type {HTMLDialogElement} */ (document.getElementById("sign-in"));
}

function field() {
  return /** @type {HTMLInputElement} */ (document.getElementById("name"));
}

/** Open the dialog; its result arrives through `useUser`. */
export function openSignIn() {
  dialog().showModal();
}

/** The greeting, and one button for both actions, so that it keeps focus. */
export function Account() {
  const { name, signOut } = useUser();
  const greeting =
    name && html`<span>Hi </span><b dir="auto">${name}</b><span>!</span>`;
  return html`
    <p class="greeting">${greeting}</p>
    <button class="compact" type="button"
      onClick=${name ? signOut : openSignIn}>
      ${name ? "Log out" : "Sign in"}
    </button>
    <${SignIn} />
  `;
}

function SignIn() {
  const { signIn } = useUser();
  const [problem, setProblem] = useState("");
  const close = () => dialog().close();
  /** @param {SubmitEvent} event */
  async function onSubmit(event) {
    event.preventDefault();
    const name = field().value.toWellFormed().trim();
    const found = await nameProblem(name);
    if (!dialog().open) return;
    setProblem(found);
    if (found) return field().focus();
    signIn(name);
    close();
  }
  function onClose() {
    setProblem("");
    field().value = "";
  }
  return html`
    <dialog id="sign-in" aria-labelledby="sign-in-title" onClose=${onClose}>
      <form onSubmit=${onSubmit} novalidate>
        <h2 id="sign-in-title">Who’s joining?</h2>
        <label for="name">Your name</label>
        <input id="name" autocomplete="nickname" enterkeyhint="go" dir="auto"
          placeholder="Ada, for example" aria-describedby="name-help"
          aria-invalid=${problem !== ""} />
        <div class="field-help">
          <p id="name-help">
            It stands beside what you say. No password needed.
          </p>
          <p class="problem" role="alert">${problem}</p>
        </div>
        <div class="buttons">
          <button type="button" onClick=${close}>Cancel</button>
          <button class="primary">Sign in</button>
        </div>
      </form>
    </dialog>
  `;
}
