// The little that the page needs for building itself. Text goes in as text: nothing here reads HTML.

export const byId = (id) => document.getElementById(id);

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** The first letter of a name on one of eight colours, always the same one for a name. */
export function avatar(name) {
  const sum = [...name].reduce((all, letter) => (all * 31 + letter.codePointAt(0)) % 8191, 7);
  const letter = [...name][0]?.toUpperCase() ?? "?";
  return element("span", { class: "avatar", "data-hue": sum % 8, "aria-hidden": "true" }, letter);
}

/** Runs `submit` with a form's fields; says in the form why it failed, and where. */
export function onSubmit(form, submit) {
  const error = form.querySelector(".error");
  const button = form.querySelector("button:not([type=button])");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    error.textContent = "";
    const inputs = [...form.querySelectorAll("input")];
    const wrong = inputs.filter((input) => !input.checkValidity());
    for (const input of inputs) input.setAttribute("aria-invalid", wrong.includes(input));
    if (wrong.length > 0) {
      error.textContent = `${label(wrong[0])}: ${wrong[0].validationMessage}`;
      return wrong[0].focus();
    }
    button.disabled = true;
    try {
      await submit(Object.fromEntries(new FormData(form)), form);
    } catch (failure) {
      error.textContent = failure.message;
    } finally {
      button.disabled = false;
    }
  });
}

const label = (input) => input.labels[0]?.firstChild.textContent.trim() ?? input.name;
