import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/**
 * Built to dashboard/dist and served by the control plane under `default-src 'self'`: so no inline script or style, and no asset
 * as a data: URL.
 */
export default defineConfig({
  root: import.meta.dirname,
  plugins: [react()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
