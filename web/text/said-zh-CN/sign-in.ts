import type { SignInFailureRows } from "../../../hub/door/failure.ts";
import type { Translation } from "../../../hub/sentence.ts";

const withReason = (error: string, description: string): string =>
  description === "" ? error : `${error}（${description}）`;

/** Why a person could not sign in at the provider. Words of the provider and of the connection stay as they are. */
export const signInFailures: Translation<SignInFailureRows> = {
  provider_away: ({ host, why }) => `hub 无法连接登录服务 ${host}：${why}。`,
  provider_wrong: ({ host, why }) => `登录服务 ${host} 的应答不符合预期：${why}。`,
  provider_refused: ({ host, error, description }) =>
    `登录服务 ${host} 拒绝了登录：${withReason(error, description)}。`,
  client_refused: ({ host, error }) =>
    `登录服务 ${host} 不接受这个 hub：${error}。请管理员检查 auth.oidc.client_id 和客户端密钥。`,
  code_refused: ({ host, error }) => `登录服务 ${host} 没有确认这次登录：${error}。请重新登录。`,
  token_signature: ({ host }) => `登录服务 ${host} 发来的 ID 令牌不是用它自己的密钥签名的。`,
  token_claim: ({ host, claim }) => `登录服务 ${host} 发来的 ID 令牌不是为这次登录签发的：声明“${claim}”的值不符。`,
  token_time: ({ host, seconds }) =>
    `登录服务 ${host} 的 ID 令牌已过期或尚未生效：两台机器的时钟相差超过 ${seconds} 秒（auth.oidc.clock_tolerance）。`,
  expired: () => "这次登录耗时过长、已经完成，或是在另一个浏览器中开始的。请重新登录。",
  too_many_attempts: ({ seconds }) => `来自这个网络的登录尝试过多，请在 ${seconds} 秒后再试。`,
  name_missing: ({ host, claim }) =>
    `登录服务 ${host} 没有提供用户名：ID 令牌和 userinfo 中都没有声明“${claim}”。请管理员在登录服务中添加它，或设置 auth.oidc.name_claim。`,
  name_bad: ({ name }) => `用户名“${name}”不能作为账号名称：长度须为 1 到 64 个字符，且不含换行和不可见字符。`,
  name_taken: ({ name }) =>
    `已有账号“${name}”，但它不属于登录服务中的这个人。请管理员先删除该账号，之后登录时会重新创建。`,
  not_admitted: ({ name }) => `“${name}”不属于任何允许登录的用户组（auth.oidc.groups）。`,
  groups_left_out: ({ host, claim }) =>
    `登录服务 ${host} 因用户组过多而没有给出此人的用户组（“${claim}”）：请将它设置为只给出与这个 hub 有关的用户组。`,
  settings_wrong: ({ setting, why }) => `hub 无法使用设置 ${setting}：${why}。`,
  not_set_up: () => "这个 hub 没有设置其他登录方式。",
  book_unusable: () => "hub 无法写入管理数据，登录没有完成。",
  internal: () => "hub 内部出错，详情见其日志。",
};
