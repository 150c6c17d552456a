import { io } from "socket.io-client";
import { AetherClient } from "./client.js";

export { AetherClient, ApiError } from "./client.js";

/**
 * A client over the official Socket.IO client.
 * @param {import("./client.js").Options} options
 */
export function createClient(options) {
  return new AetherClient({ io, ...options });
}
