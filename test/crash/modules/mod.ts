import { account } from "../../../actors/account.ts";
import { counter } from "../../../actors/counter.ts";
import { forwarder, inbox } from "./relay.ts";

/** What runs under fire: the samples, and actors that send to each other. */
export default [counter, account, forwarder, inbox];
