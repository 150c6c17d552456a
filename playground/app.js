// The playground: a chat client without a build step. The rules of the protocol are in ./client/, which is the
// TypeScript package's own code (clients/typescript); here is only what a person sees.
import { AetherClient } from "./client/client.js";
import { byId, element } from "./dom.js";
import { startChat } from "./chat.js";
import { showWelcome } from "./welcome.js";

// Each tab is somebody else, and closing it logs out for good: nothing outlives the tab.
const TOKEN = "aetherconnect.token";
const NOTE = "aetherconnect.note";

/** The official Socket.IO client, which the gateway serves from its npm package. */
async function socketIo() {
  try {
    return (await import("./socket.io.js")).io;
  } catch {
    const trouble = byId("trouble");
    trouble.append(
      element("h1", {}, "The Socket.IO client is missing"),
      element("p", {}, "This page talks by the official Socket.IO client, which comes from its npm package and is not here. "),
      element("p", {}, "With ", element("code", {}, "make run"), ": install Node.js with npm, and run it again. Otherwise: ",
        element("code", {}, "npm install socket.io-client"), ", set ", element("code", {}, "PLAYGROUND_SOCKET_IO"), " to the path of ",
        element("code", {}, "node_modules/socket.io-client/dist/socket.io.esm.min.js"), ", and start again."),
    );
    trouble.hidden = false;
    return null;
  }
}

function signedOut(note) {
  sessionStorage.removeItem(TOKEN);
  if (note) sessionStorage.setItem(NOTE, note);
  location.reload();
}

async function start() {
  const io = await socketIo();
  if (!io) return;
  const client = new AetherClient({ io, url: location.origin, token: sessionStorage.getItem(TOKEN) });
  client.on("state", (state) => {
    if (state.name === "signed_out") signedOut("Your session is over. Please log in again.");
  });
  const enter = () => {
    sessionStorage.setItem(TOKEN, client.token);
    startChat(client, async () => {
      client.close();
      // Without an answer the session stays open at the server; here it is over all the same.
      await client.api.logout().catch(() => {});
      signedOut("You are logged out.");
    });
  };
  if (client.token) return enter();
  showWelcome(client.api, sessionStorage.getItem(NOTE), enter);
  sessionStorage.removeItem(NOTE);
}

await start();
