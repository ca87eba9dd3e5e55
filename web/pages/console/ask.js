// Nothing is changed before somebody has read what will happen, and said yes.

import { find } from "/page.js";

const [dialog, yes, no, problem, reason] = ["#ask", "#ask-yes", "#ask-no", "#ask-error", "#reason"].map(find);
let go;

/** Asks. what names all that will happen, and act does it. What went wrong is said in the dialog, which then stays. */
export function ask({ title, what, word, withReason, act, done }) {
  find("#ask-title").textContent = title;
  find("#ask-what").textContent = what;
  yes.textContent = word;
  problem.textContent = reason.value = "";
  reason.parentNode.hidden = !withReason;
  go = async () => {
    yes.disabled = true;
    try {
      await act(reason.value);
      dialog.close();
      find("#said").textContent = done;
      setTimeout(() => find("#said").textContent === done && (find("#said").textContent = ""), 8000);
    } catch (error) {
      problem.textContent = error.code === "unknown" ? "The connection was lost: nobody knows whether it was done." : error.message;
    }
    yes.disabled = false;
  };
  dialog.showModal();
  no.focus(); // Enter by mistake changes nothing
}

yes.addEventListener("click", () => go());
no.addEventListener("click", () => dialog.close());
