import type { SignInFailureRows } from "../../../hub/door/failure.ts";
import type { Translation } from "../../../hub/sentence.ts";

const withReason = (error: string, description: string): string =>
  description === "" ? error : `${error}（${description}）`;

/** Why a person could not sign in at the provider. Words of the provider and of the connection stay as they are. */
export const signInFailures: Translation<SignInFailureRows> = {
  provider_away: ({ host, why }) => `hub 無法連線到登入服務 ${host}：${why}。`,
  provider_wrong: ({ host, why }) => `登入服務 ${host} 的回應不符預期：${why}。`,
  provider_refused: ({ host, error, description }) =>
    `登入服務 ${host} 拒絕了登入：${withReason(error, description)}。`,
  client_refused: ({ host, error }) =>
    `登入服務 ${host} 不接受這個 hub：${error}。請管理員檢查 auth.oidc.client_id 和用戶端密鑰。`,
  code_refused: ({ host, error }) => `登入服務 ${host} 沒有確認這次登入：${error}。請重新登入。`,
  token_signature: ({ host }) => `登入服務 ${host} 送來的 ID 權杖不是用它自己的金鑰簽署的。`,
  token_claim: ({ host, claim }) => `登入服務 ${host} 送來的 ID 權杖不是為這次登入核發的：宣告「${claim}」的值不符。`,
  token_time: ({ host, seconds }) =>
    `登入服務 ${host} 的 ID 權杖已過期或尚未生效：兩台機器的時鐘相差超過 ${seconds} 秒（auth.oidc.clock_tolerance）。`,
  expired: () => "這次登入耗時過長、已經完成，或是在另一個瀏覽器中開始的。請重新登入。",
  too_many_attempts: ({ seconds }) => `來自這個網路的登入嘗試過多，請在 ${seconds} 秒後再試。`,
  name_missing: ({ host, claim }) =>
    `登入服務 ${host} 沒有提供使用者名稱：ID 權杖和 userinfo 中都沒有宣告「${claim}」。請管理員在登入服務中新增它，或設定 auth.oidc.name_claim。`,
  name_bad: ({ name }) => `使用者名稱「${name}」不能作為帳號名稱：長度須為 1 到 64 個字元，且不含換行和不可見字元。`,
  name_taken: ({ name }) =>
    `已有帳號「${name}」，但它不屬於登入服務中的這個人。請管理員先刪除該帳號，之後登入時會重新建立。`,
  not_admitted: ({ name }) => `「${name}」不屬於任何允許登入的群組（auth.oidc.groups）。`,
  groups_left_out: ({ host, claim }) =>
    `登入服務 ${host} 因群組過多而沒有給出此人的群組（「${claim}」）：請將它設定為只給出與這個 hub 有關的群組。`,
  settings_wrong: ({ setting, why }) => `hub 無法使用設定 ${setting}：${why}。`,
  not_set_up: () => "這個 hub 沒有設定其他登入方式。",
  book_unusable: () => "hub 無法寫入管理資料，登入沒有完成。",
  internal: () => "hub 內部發生錯誤，詳情見其記錄檔。",
};
