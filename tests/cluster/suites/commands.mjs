// The commands of the documentation that need a cluster, as they stand; and what `users`, `logs` and `import` do in pods.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { check, says, until } from "../lib/check.mjs";
import { place } from "../lib/cli.mjs";

const root = new URL("../../../", import.meta.url);
const documented = JSON.parse(readFileSync(new URL("tests/documented.json", root), "utf8")).cluster;
/** Of all users of the export. */
const password = "correct horse";

async function succeeds(shell, command) {
  const { code, stdout, stderr } = await shell.run(command);
  assert.equal(code, 0, `${command}: ${stdout}${stderr}`);
  return stdout;
}

export async function commands(api, namespace, name) {
  const label = `${namespace}/${name}`;
  const shell = await place(namespace);
  try {
    const here = (command) =>
      command.replaceAll("NAME", name).replace("--instance chat -n team-a", `--instance ${name} -n ${namespace}`);
    for (const command of documented.filter((command) => !command.startsWith("aetherconnect import"))) {
      await check(`${label}: \`${command}\` of the documentation works`, async () => {
        says(await succeeds(shell, here(command)), /\S/);
      });
    }
    await users(shell, api, label, name);
    await logs(shell, api, label, name);
    await imported(shell, api, label, here(documented.find((command) => command.startsWith("aetherconnect import"))));
  } finally {
    shell.end();
  }
}

async function users(shell, api, label, name) {
  const person = api.person("made");
  const log = (password) => api.call("POST", "/api/auth/login", { body: { email: person.email, password } });
  await check(`${label}: a user is made, disabled, enabled and given another password from the command line`, async () => {
    const json = async (command) => JSON.parse(await succeeds(shell, `${command} --instance ${name} -o json`));
    const made = await json(
      `aetherconnect users create --email ${person.email} --username ${person.username} --first-name A --last-name B`,
    );
    const { status, body } = await log(made.password);
    assert.equal(status, 200, JSON.stringify(body));
    const listed = await json("aetherconnect users list");
    assert.ok(listed.users.some((user) => user.username === person.username && user.sessions === 1));
    assert.equal((await json(`aetherconnect users disable ${person.username}`)).endedSessions, 1);
    await until("the session is over", async () => {
      return (await api.call("GET", "/api/auth/profile", { token: body.accessToken })).status === 401;
    });
    assert.equal((await log(made.password)).status, 401);
    await json(`aetherconnect users enable ${person.username}`);
    const reset = await json(`aetherconnect users reset-password ${person.username}`);
    assert.equal((await log(made.password)).status, 401);
    assert.equal((await log(reset.password)).status, 200);
  });
}

async function logs(shell, api, label, name) {
  await check(`${label}: the logs of all services come in one stream, and new lines while it is followed`, async () => {
    const lines = (await succeeds(shell, `aetherconnect logs ${name} -o json`)).trim().split("\n").map((line) => JSON.parse(line));
    const components = new Set(lines.map((line) => line.component));
    for (const component of ["gateway", "auth", "message"]) assert.ok(components.has(component), [...components].join());
    const follow = shell.start("logs", name, "-f", "-o", "json");
    let heard = "";
    follow.stdout.on("data", (chunk) => {
      heard += chunk;
    });
    try {
      await until("a login is told", async () => {
        await api.login(api.person("nobody"));
        return heard.split("\n").some((line) => line.includes('"auth"') && line.includes('"login"'));
      });
    } finally {
      follow.kill();
    }
  });
}

async function imported(shell, api, label, command) {
  await check(`${label}: an earlier backend's users come with their passwords, rooms and messages, and twice is once`, async () => {
    // Names that nobody has here, and no room that people write in already.
    const mark = (text) => text.replaceAll(/\b(ada|grace|bob)\b/gi, (person) => `${person}_old_${api.suffix}`).replaceAll("project x", `x ${api.suffix}`);
    const lines = (file) => readFileSync(new URL(`cli/tests/export/${file}.jsonl`, root), "utf8").split("\n");
    const ids = (text) => text.replaceAll("635a5e3b8bb9e8b3", `635a5e3b${api.suffix}`);
    for (const file of ["users", "rooms", "members", "messages"]) {
      const kept = lines(file).filter((line) => !line.includes("general") && !line.includes("c8e9f5d2"));
      const old = kept.map((line) => line.replace(/"id":(\d)/, `"id":"${api.suffix} $1"`));
      const own = old.map((line) => line.replaceAll(/"(userId|createdBy)":"?([12])"?/g, `"$1":"${api.suffix} $2"`));
      shell.write(`${file}.jsonl`, ids(mark(own.join("\n"))).replaceAll("8f0d0a3e", api.suffix));
    }
    says(await succeeds(shell, command), /^Imported 3 users, 2 rooms and 2 messages/);
    const email = `ada_old_${api.suffix}@example.com`;
    const { status, body } = await api.call("POST", "/api/auth/login", { body: { email, password } });
    assert.equal(status, 200, JSON.stringify(body));
    const history = await api.history({ token: body.accessToken }, `x ${api.suffix}`);
    assert.deepEqual(history.messages.map(({ content }) => content), ["secret"]);
    says(await succeeds(shell, command), /^Imported 0 users, 0 rooms and 0 messages/);
  });
}
