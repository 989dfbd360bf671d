// What a program with the SDK for JavaScript does in a stack, step by step; each line says what came of a step.
// Arguments: the stack file. The environment is that of `brownout env`.
import { readFileSync } from "node:fs";
import { IAMClient, CreateUserCommand, DeleteUserCommand, GetUserCommand, ListUsersCommand } from "@aws-sdk/client-iam";
import { NoSuchEntityException, EntityAlreadyExistsException, paginateListUsers } from "@aws-sdk/client-iam";
import { STSClient, AssumeRoleCommand, AssumeRoleWithWebIdentityCommand, GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { ExpiredTokenException, InvalidIdentityTokenException, MalformedPolicyDocumentException } from "@aws-sdk/client-sts";
import { fromInstanceMetadata } from "@aws-sdk/credential-providers";

const stack = JSON.parse(readFileSync(process.argv[2], "utf8"));
const role = (name) => `arn:aws:iam::${stack.aws.account_id}:role/${name}`;
const said = (step, result) => console.log(`${step}: ${result}`);
const keysOf = ({ AccessKeyId, SecretAccessKey, SessionToken }) => ({
  accessKeyId: AccessKeyId,
  secretAccessKey: SecretAccessKey,
  sessionToken: SessionToken,
});
const resource = (arn) => arn.split(":").pop();

/** The error of a call that has to be refused: whether it is of the SDK's class for it, and its code. */
async function refused(call, type = Error) {
  try {
    await call;
  } catch (error) {
    return `${error instanceof type} ${error.Code}`;
  }
  return "not refused";
}

async function fault(name, order) {
  const headers = { authorization: `Bearer ${process.env.BROWNOUT_FAULTS_TOKEN}`, "content-type": "application/json" };
  const method = order ? "PUT" : "DELETE";
  const answer = await fetch(`${process.env.BROWNOUT_FAULTS_URL}/faults/${name}`, { method, headers, body: order && JSON.stringify(order) });
  return (await answer.json()).state;
}

const sts = new STSClient({});
const assume = (client, name, more = {}) => client.send(new AssumeRoleCommand({ RoleArn: role(name), RoleSessionName: "js", ...more }));

// STS: at home and at the endpoint of another region.
said("caller", resource((await sts.send(new GetCallerIdentityCommand({}))).Arn));
said("tags", await refused(assume(sts, "app", { Tags: [{ Key: "team", Value: "a b" }] })));
const app = await assume(sts, "app", { DurationSeconds: 900 });
said("assumed", resource(app.AssumedRoleUser.Arn));
const south = { region: stack.regions.melbourne.aws_name, endpoint: stack.regions.melbourne.sts_url };
const elsewhere = new STSClient({ ...south, credentials: keysOf(app.Credentials) });
said("elsewhere", resource((await elsewhere.send(new GetCallerIdentityCommand({}))).Arn));

// A token of the other vendor instead of keys.
const imds = `${stack.machines["web-1"].imds_url}/metadata/identity/oauth2/token`;
const asked = await fetch(`${imds}?api-version=2018-02-01&resource=https://management.azure.com/`, { headers: { Metadata: "true" } });
const WebIdentityToken = (await asked.json()).access_token;
const byToken = { RoleArn: role("web-identity"), RoleSessionName: "js", WebIdentityToken };
const web = await sts.send(new AssumeRoleWithWebIdentityCommand(byToken));
said("web identity", resource(web.AssumedRoleUser.Arn));
const garbage = sts.send(new AssumeRoleWithWebIdentityCommand({ ...byToken, WebIdentityToken: "a.b.c" }));
said("bad token", await refused(garbage, InvalidIdentityTokenException));
said("bad policy", await refused(assume(sts, "app", { Policy: "{" }), MalformedPolicyDocumentException));

// A machine's credentials, and what its role may not do.
process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT = stack.machines["web-1"].aws_metadata_url;
const machine = { credentials: fromInstanceMetadata({ maxRetries: 1 }) };
said("machine", resource((await new STSClient(machine).send(new GetCallerIdentityCommand({}))).Arn).split("/")[1]);
said("denied", await refused(new IAMClient(machine).send(new ListUsersCommand({}))));
said("wrong secret", await refused(new STSClient({ credentials: { ...keysOf(app.Credentials), secretAccessKey: "x" } }).send(new GetCallerIdentityCommand({}))));

// IAM: users made, read, listed page by page, and deleted.
const iam = new IAMClient({});
for (const UserName of ["js-1", "js-2", "js-3"]) await iam.send(new CreateUserCommand({ UserName, Path: "/js/" }));
said("made twice", await refused(iam.send(new CreateUserCommand({ UserName: "js-1" })), EntityAlreadyExistsException));
said("read", (await iam.send(new GetUserCommand({ UserName: "js-2" }))).User.CreateDate instanceof Date);
const pages = [];
for await (const page of paginateListUsers({ client: iam, pageSize: 1 }, { PathPrefix: "/js/" })) pages.push(page.Users.map((user) => user.UserName));
said("pages", pages.map((names) => names.join()).join(" "));
for (const [UserName] of pages) await iam.send(new DeleteUserCommand({ UserName }));
said("deleted", await refused(iam.send(new GetUserCommand({ UserName: "js-2" })), NoSuchEntityException));

// A session and a token that have ended, by the clock of a region that is ahead; and a client whose own clock is right.
said("ahead", await fault("js", { fault: "clock-skew", target: "melbourne.token", parameters: { by: "26h" } }));
const ahead = new STSClient({ ...south, credentials: keysOf(app.Credentials), systemClockOffset: 26 * 3_600_000 });
said("expired session", await refused(ahead.send(new GetCallerIdentityCommand({})), ExpiredTokenException));
said("other clock", await refused(elsewhere.send(new GetCallerIdentityCommand({}))));
said("expired token", await refused(new STSClient(south).send(new AssumeRoleWithWebIdentityCommand(byToken)), ExpiredTokenException));
said("right again", await fault("js"));
