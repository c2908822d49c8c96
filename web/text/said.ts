import type { CauseRows } from "../../hub/cause.ts";
import type { SignInFailureRows } from "../../hub/door/failure.ts";
import type { NoticeRows } from "../../hub/notice.ts";
import type { ReasonRows } from "../../hub/reason.ts";
import type { Translation } from "../../hub/sentence.ts";
import type { TroubleRows } from "../../hub/trouble.ts";

/**
 * What the hub says, by code, in a language that is not the hub's own; loaded with the first sentence that is shown. A language
 * without one of them does not compile.
 */
export interface SaidText {
  /** Why a host is down. */
  readonly reasons: Translation<ReasonRows>;
  /** Messages about the hub itself. */
  readonly notices: Translation<NoticeRows>;
  /** What is wrong with the reports of hosts. */
  readonly troubles: Translation<TroubleRows>;
  /** Why a person could not sign in at the provider. */
  readonly failures: Translation<SignInFailureRows>;
  /** Causes, which are part of other sentences. */
  readonly causes: Translation<CauseRows>;
}
