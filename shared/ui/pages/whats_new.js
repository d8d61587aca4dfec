// The page "What’s new": the server renders all of it but the account.
import { mount } from "./mount.js";

mount(() => null);
