// TLS between the services, by certificates that cert-manager issues and renews.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import http2 from "node:http2";
import tls from "node:tls";
import { check, pause, until } from "../lib/check.mjs";
import { Faithful } from "../lib/chat.mjs";
import { Flow } from "../lib/flow.mjs";
import { renew } from "../lib/issuer.mjs";
import { apply, forward, get, instance, podIsReady, pods, waitReady } from "../lib/kube.mjs";
import { chat } from "./chat.mjs";

const services = ["auth", "message", "gateway"];
/** kind-config.yaml leads there, on a port of its choice. */
const nodePort = 30301;

/** Asks for the instance, so that it comes up while other suites run. */
export const wanted = (namespace, name, rateLimit) =>
  apply(
    instance(namespace, name, {
      environment: "development",
      tls: { issuerRef: { name: "ca" } },
      gateway: { rateLimit, service: { type: "NodePort", nodePort } },
    }),
  );

export async function sealed(api, plain, namespace, name) {
  const label = `${namespace}/${name}`;
  await check(`${label}: with TLS between the services it becomes Ready`, async () => {
    await waitReady(namespace, name);
    await api.answers();
    const { items } = await get(namespace, "networkpolicies", "-l", `app.kubernetes.io/instance=${name}`);
    assert.ok(items.length > 0, "network policies are on");
  });
  const { bob } = await chat(api, label);
  await check(`${label}: auth and message answer to certificates of the CA, and to nobody else`, async () => {
    // The same question without TLS, where there is none: so a refusal is one.
    assert.equal(await health(...plain, "auth", 50001), "0");
    for (const [service, port] of [["auth", 50001], ["message", 50002]]) {
      const { ca, cert, key } = await identity(namespace, name, "gateway");
      assert.equal(await health(namespace, name, service, port, { ca, cert, key }), "0", service);
      await assert.rejects(health(namespace, name, service, port), `${service} without TLS`);
      await assert.rejects(health(namespace, name, service, port, { ca }), `${service} without a certificate`);
    }
  });
  await renewal(api, bob, label, namespace, name);
}

async function renewal(api, user, label, namespace, name) {
  const speakers = [new Faithful(api, user, "general"), new Faithful(api, await api.newUser("carol"), "general", ["polling"])];
  const flow = new Flow(speakers);
  const asking = new Asking(api, user);
  await check(`${label}: renewed certificates are taken while people talk, and no request fails`, async () => {
    await Promise.all(speakers.map((speaker) => speaker.hear("joined_room")));
    flow.start();
    asking.start();
    await flow.moves(5);
    const before = await serials(namespace, name);
    await Promise.all(services.map((service) => renew(namespace, `${name}-${service}`)));
    const after = await until("each service has a new certificate", async () => {
      const now = await serials(namespace, name);
      return services.every((service) => now[service] !== before[service]) && now;
    });
    for (const [service, port] of [["auth", 50001], ["message", 50002], ["auth", 3002], ["message", 3001]]) {
      await until(`all pods of ${service} show the new certificate`, async () => {
        const shown = await shownBy(namespace, name, service, port);
        return shown.length > 0 && shown.every((serial) => serial === after[service]);
      }, { timeout: 120_000 });
    }
    await waitReady(namespace, name);
    await flow.moves(10);
    const acknowledged = await flow.stop();
    await asking.stop();
    assert.deepEqual(asking.failed, []);
    assert.ok(asking.count > 20, `${asking.count} requests`);
    const history = new Set((await api.wholeHistory(user, "general")).map(({ id }) => id));
    assert.deepEqual(acknowledged.filter(({ id }) => !history.has(id)), []);
  });
  asking.ended = true;
  for (const speaker of speakers) speaker.close();
}

/** Somebody who asks for a profile again and again. */
class Asking {
  constructor(api, user) {
    Object.assign(this, { api, user, failed: [], count: 0 });
  }

  start() {
    this.running = this.#ask();
  }

  async #ask() {
    while (!this.ended) {
      const answer = await this.api.call("GET", "/api/auth/profile", { token: this.user.token }).catch((error) => error);
      this.count += 1;
      if (answer.status !== 200) this.failed.push(answer.cause?.message ?? answer.message ?? JSON.stringify(answer));
      await pause(50);
    }
  }

  stop() {
    this.ended = true;
    return this.running;
  }
}

/** What a service shows itself by, and whom it trusts. */
async function identity(namespace, name, service) {
  const { data } = await get(namespace, "secret", `${name}-${service}-tls`);
  const [ca, cert, key] = ["ca.crt", "tls.crt", "tls.key"].map((entry) => Buffer.from(data[entry], "base64"));
  return { ca, cert, key };
}

async function serials(namespace, name) {
  const all = services.map(async (service) => {
    const { cert } = await identity(namespace, name, service);
    return [service, new X509Certificate(cert).serialNumber];
  });
  return Object.fromEntries(await Promise.all(all));
}

/** The serial numbers that the pods of a service show. */
async function shownBy(namespace, name, service, port) {
  const { ca, cert, key } = await identity(namespace, name, "gateway");
  const all = (await pods(namespace, name)).filter(
    (pod) => podIsReady(pod) && pod.metadata.labels["app.kubernetes.io/component"] === service,
  );
  return Promise.all(all.map((pod) =>
    reached(namespace, `pod/${pod.metadata.name}`, port, (local) =>
      new Promise((done, failed) => {
        const options = { ca, cert, key, servername: `${name}-${service}`, port: local, host: "127.0.0.1" };
        const socket = tls.connect(options, () => {
          done(socket.getPeerCertificate().serialNumber);
          socket.end();
        });
        socket.on("error", failed);
      }),
    ),
  ));
}

/** Runs `body` with a local port that leads to a port of a Service or a pod, past the network policies. */
async function reached(namespace, place, port, body) {
  const { url, end } = await forward(namespace, place, port);
  try {
    return await body(Number(new URL(url).port));
  } finally {
    end();
  }
}

/** The gRPC status of a health check; an error if there is none. `identity` is for TLS. */
function health(namespace, name, service, port, identity) {
  return reached(namespace, `service/${name}-${service}`, port, (local) => {
    const options = identity && { ...identity, servername: `${name}-${service}` };
    const session = http2.connect(`${identity ? "https" : "http"}://127.0.0.1:${local}`, options);
    return new Promise((done, failed) => {
      session.setTimeout(5000, () => failed(new Error("no answer")));
      session.on("error", failed);
      session.on("close", () => failed(new Error("closed")));
      const headers = { "content-type": "application/grpc", te: "trailers" };
      const request = session.request({ ":method": "POST", ":path": "/grpc.health.v1.Health/Check", ...headers });
      request.on("error", failed);
      request.on("trailers", (trailers) => done(trailers["grpc-status"]));
      request.resume();
      // An empty message: is the server well?
      request.end(Buffer.alloc(5));
    }).finally(() => session.destroy());
  });
}
