import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/** Where `npm run dev` finds the API. */
const server = process.env["LANDFALL_ADMIN"] ?? "http://localhost:15672";

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: process.env["LANDFALL_PAGES_OUT"] ?? "dist",
    target: "es2022",
    // The pages' content security policy lets no data: scripts or styles in, and nothing inline.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { "/api": server, "/healthz": server } },
});
