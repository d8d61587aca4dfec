// The header's corner: sign in with a name, or log out.
import { html } from "htm/preact";
import { useState } from "preact/hooks";
import { wellFormed } from "../delivery/sender.js";
import { nameProblem, useUser } from "./user.js";

function dialog() {
  return /** @type {HTMLDialogElement} */ (document.getElementById("sign-in"));
}

function field() {
  return /** @type {HTMLInputElement} */ (document.getElementById("name"));
}

/** Ask who is there; the answer arrives through `useUser`. */
export function openSignIn() {
  dialog().showModal();
}

function close() {
  dialog().close();
}

/** One button with two meanings, so that it keeps the focus. */
export function Account() {
  const { name, signOut } = useUser();
  const greeting =
    name && html`<span>Hi </span><b dir="auto">${name}</b><span>!</span>`;
  return html`
    <p class="greeting">${greeting}</p>
    <button class="quiet" type="button" onClick=${name ? signOut : openSignIn}>
      ${name ? "Log out" : "Sign in"}
    </button>
    <${SignIn} />
  `;
}

function useAnswer() {
  const { signIn } = useUser();
  const [problem, setProblem] = useState("");
  /** @param {SubmitEvent} event */
  async function submit(event) {
    event.preventDefault();
    const name = wellFormed(field().value).trim();
    const found = await nameProblem(name);
    if (!dialog().open) return;
    setProblem(found);
    if (found) return field().focus();
    signIn(name);
    close();
  }
  function forget() {
    setProblem("");
    field().value = "";
  }
  return { problem, submit, forget };
}

function SignIn() {
  const { problem, submit, forget } = useAnswer();
  return html`
    <dialog id="sign-in" aria-labelledby="sign-in-title" onClose=${forget}>
      <form onSubmit=${submit} novalidate>
        <h2 id="sign-in-title">Who’s joining?</h2>
        <${Name} problem=${problem} />
        <div class="buttons">
          <button type="button" onClick=${close}>Cancel</button>
          <button class="primary">Sign in</button>
        </div>
      </form>
    </dialog>
  `;
}

/** @param {{ problem: string }} props */
function Name({ problem }) {
  return html`
    <label for="name">Your name</label>
    <input id="name" autocomplete="nickname" enterkeyhint="go" dir="auto"
      placeholder="Ada, for example" aria-describedby="name-help"
      aria-invalid=${problem ? "true" : "false"} />
    <div class="help">
      <p id="name-help">It stands beside what you say. No password needed.</p>
      <p class="problem" role="alert">${problem}</p>
    </div>
  `;
}
