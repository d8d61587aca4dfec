/** The path of the app itself, such as "/app" in a PUBLIC_URL; mostly "". */
export const root = document.documentElement.dataset.root ?? "";
