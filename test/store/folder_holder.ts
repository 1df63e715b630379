/** Holds the folder that it is given until its input ends or it is killed. A test's other process. */
import { holdFolder } from "../../src/store/folder.ts";

holdFolder(String(Deno.args[0]));
console.log("held");
for await (const _ of Deno.stdin.readable);
