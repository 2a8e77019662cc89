import type { SignInCode } from "../../common/contracts/control-plane.ts";
import type { Answer, Context } from "../context.ts";

/** `sign-in`: the code stands after the `#`, which browsers send to nobody. */
export async function signIn(context: Context): Promise<Answer> {
  const plane = await context.controlPlane();
  const { code, expiresAt } = await plane.post<SignInCode>("/v1/sign-in-codes");
  const { urls } = await context.fleet();
  const link = `${urls.dashboard.replace(/\/$/, "")}/#code=${code}`;
  return {
    json: { code, expiresAt, url: urls.dashboard, link },
    text: `Open  ${link}\nor enter  ${code}  at ${urls.dashboard}; it works once, until ${expiresAt}.`,
  };
}
