// Signing up and logging in.
import { byId, onSubmit } from "./dom.js";

export function showWelcome(api, note, enter) {
  const [welcome, signUp, logIn] = [byId("welcome"), byId("sign-up"), byId("log-in")];
  const show = (form, other) => {
    other.hidden = true;
    form.hidden = false;
    form.querySelector("input").focus();
  };
  const done = () => {
    welcome.hidden = true;
    enter();
  };
  onSubmit(signUp, async (fields) => {
    await api.register(fields);
    done();
  });
  onSubmit(logIn, async (fields) => {
    await api.login(fields);
    done();
  });
  byId("to-log-in").addEventListener("click", () => show(logIn, signUp));
  byId("to-sign-up").addEventListener("click", () => show(signUp, logIn));
  welcome.hidden = false;
  if (!note) return signUp.querySelector("input").focus();
  // Somebody who has been here logs in again.
  byId("note").textContent = note;
  byId("note").hidden = false;
  show(logIn, signUp);
}
