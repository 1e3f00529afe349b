// Who we are: a token for a name, kept for this tab.
import { $ } from "./dom.js";

const key = "parlor-chat";

export function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(key));
  } catch {
    return null;
  }
}

export const forget = () => sessionStorage.removeItem(key);

// login asks for a name and gets a token for it.
export function login(why) {
  const dialog = $("#login");
  if (why) $("#login-why").textContent = why;
  const name = new URLSearchParams(location.search).get("name");
  return new Promise((resolve) => {
    dialog.querySelector("form").onsubmit = async (event) => {
      event?.preventDefault();
      const answer = await fetch("/token", { method: "POST", body: JSON.stringify({ name: $("#name").value }) });
      if (!answer.ok) {
        $("#login-why").textContent = await answer.text();
        return;
      }
      const session = await answer.json();
      sessionStorage.setItem(key, JSON.stringify(session));
      dialog.close();
      resolve(session);
    };
    dialog.oncancel = (event) => event.preventDefault();
    dialog.showModal();
    if (name) {
      $("#name").value = name;
      dialog.querySelector("form").requestSubmit();
    }
  });
}
