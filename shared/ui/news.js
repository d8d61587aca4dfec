// The page of what is new: it came whole, but for the account.
import { show } from "./page.js";

show(() => null);
