// A certified OpenID Connect provider for the sign-in tests. It signs in whoever `POST /control` names last,
// without asking, and says of them what that call said.
//
//     node provider.mjs PORT REDIRECT_URI
import http from "node:http";
import Provider from "oidc-provider";

const [port, redirectUri] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const people = new Map();
let current = "";

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "waystation",
      client_secret: "the-secret-of-the-test",
      redirect_uris: [redirectUri],
      token_endpoint_auth_method: "client_secret_basic",
    },
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "groups", "cost_center"] },
  features: { devInteractions: { enabled: false } },
  pkce: { required: () => true },
  cookies: { keys: ["only for tests"] },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...people.get(id) }) }),
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope("openid email profile");
    await grant.save();
    return grant;
  },
});
const callback = provider.callback();

http
  .createServer(async (request, response) => {
    if (request.url === "/control") {
      const parts = [];
      for await (const part of request) parts.push(part);
      const { sub, ...claims } = JSON.parse(Buffer.concat(parts).toString());
      people.set(sub, claims);
      current = sub;
      response.end();
    } else if (request.url.startsWith("/interaction/")) {
      const result = current ? { login: { accountId: current } } : { error: "access_denied" };
      await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
    } else {
      callback(request, response);
    }
  })
  .listen(Number(port), "127.0.0.1", () => console.log(`ready ${issuer}`));
