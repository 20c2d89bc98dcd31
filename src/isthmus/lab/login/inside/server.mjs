// A certified OpenID provider (panva's oidc-provider) on 127.0.0.1: node server.mjs FOLDER PORT
// Accounts and clients are read from FOLDER whenever they are needed, so that people can change them while it runs.
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import Provider from "oidc-provider";

const [folder, port] = process.argv.slice(2);
const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));

// Its own signing key, kept over restarts; without the file it has a new one, as after a change of keys.
const keyFile = join(folder, "keys.json");
if (!existsSync(keyFile)) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = createPrivateKey(privateKey.export({ type: "pkcs8", format: "pem" })).export({ format: "jwk" });
  writeFileSync(keyFile, JSON.stringify({ keys: [{ ...jwk, use: "sig", alg: "RS256", kid: `key-${Date.now()}` }] }));
}

const account = (id) => read("accounts.json")[id];
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: read("clients.json"),
  jwks: read("keys.json"),
  cookies: { keys: [read("secrets.json").cookies] },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"], groups: ["groups"] },
  scopes: ["openid", "email", "profile", "groups"],
  features: { devInteractions: { enabled: false } },
  pkce: { required: () => true },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  async findAccount(ctx, id) {
    const known = account(id);
    return known && { accountId: id, claims: () => ({ sub: id, ...known.claims }) };
  },
  // The house's own application: nobody is asked whether it may know who they are.
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid email profile groups");
    await grant.save();
    return grant;
  },
});

const page = (uid, told) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>Lab sign-in</title>
<h1>Lab sign-in</h1><p role="alert">${told}</p><form method="post" action="/interaction/${uid}">
<label>Name <input name="login" required autofocus></label> <label>Password <input name="password" type="password"></label>
<button name="do" value="enter">Enter</button> <button name="do" value="leave" formnovalidate>Cancel</button></form></html>`;

async function form(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return new URLSearchParams(Buffer.concat(parts).toString("utf8"));
}

async function interaction(request, response) {
  const { uid, prompt } = await provider.interactionDetails(request, response);
  if (prompt.name !== "login") throw new Error(`no page for ${prompt.name}`);
  let told = "";
  if (request.method === "POST") {
    const sent = await form(request);
    if (sent.get("do") === "leave") {
      const result = { error: "access_denied", error_description: "The person went away" };
      return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
    }
    const known = Object.entries(read("accounts.json")).find(([, one]) => one.login === sent.get("login"));
    if (known && known[1].password === sent.get("password")) {
      return provider.interactionFinished(request, response, { login: { accountId: known[0] } });
    }
    told = "Name and password do not go together.";
  }
  response.writeHead(200, { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" });
  response.end(page(uid, told));
}

const callback = provider.callback();
createServer((request, response) => {
  if (!request.url.startsWith("/interaction/")) return callback(request, response);
  interaction(request, response).catch((error) => {
    console.error(error);
    response.writeHead(500).end();
  });
}).listen(Number(port), "127.0.0.1");
