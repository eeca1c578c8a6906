import { readdirSync, readFileSync } from "node:fs";

import { defineConfig, type Plugin } from "vite";

import headers from "./headers.json" with { type: "json" };
import project from "./package.json" with { type: "json" };

/**
 * Write the content security policy into the built page as a meta tag, so that it holds on hosts
 * that send no headers of ours. Browsers refuse frame-ancestors there.
 */
function policyInPage(): Plugin {
  const content = headers["Content-Security-Policy"]
    .split("; ")
    .filter((rule) => !rule.startsWith("frame-ancestors"))
    .join("; ");
  return {
    name: "policy-in-page",
    apply: "build",
    transformIndexHtml: () => [
      {
        tag: "meta",
        attrs: { "http-equiv": "Content-Security-Policy", content },
        injectTo: "head-prepend",
      },
    ],
  };
}

/** Write the licences of everything that is bundled, the worker's parts included. */
function licences(): Plugin {
  return {
    name: "licences",
    apply: "build",
    generateBundle() {
      const parts = Object.keys(project.dependencies).map((name) => {
        const folder = new URL(`./node_modules/${name}/`, import.meta.url);
        const { version, license } = JSON.parse(
          readFileSync(new URL("package.json", folder), "utf8"),
        );
        const file = readdirSync(folder).find((other) => /^licen[cs]e/i.test(other));
        const text = file ? readFileSync(new URL(file, folder), "utf8") : "";
        return `${name} ${version}: ${license}\n\n${text}`.trim();
      });
      this.emitFile({
        type: "asset",
        fileName: "licences.txt",
        source: parts.join(`\n\n${"-".repeat(80)}\n\n`) + "\n",
      });
    },
  };
}

const loopback = { host: "127.0.0.1", port: 8000 };

export default defineConfig({
  base: "./", // relative, so that the built folder works under any path of any host
  plugins: [policyInPage(), licences()],
  build: {
    target: "es2022",
    assetsInlineLimit: 0, // data: addresses are not 'self'
    chunkSizeWarningLimit: 800,
  },
  worker: { format: "es" }, // a worker that loads its backend as a chunk of its own
  server: loopback,
  preview: { ...loopback, headers },
});
