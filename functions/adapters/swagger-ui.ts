import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** See functions/http/app.ts. */
type Page = { readonly contentType: string; read(): Promise<string | Uint8Array<ArrayBuffer>> };

const HTML = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>API of this server</title>
    <link rel="stylesheet" href="docs/swagger-ui.css">
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`;

/** Without a validator: Swagger UI would ask one on the internet. */
const START = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#swagger-ui', validatorUrl: null, deepLinking: true });\n`;

const vendored = (name: string, contentType: string): Page => ({
  contentType,
  read: async () => new Uint8Array(await readFile(fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`)))),
});

const made = (contentType: string, text: string): Page => ({ contentType, read: async () => text });

/** Swagger UI over `/openapi.json`, all of it from this server: the page for `''`, and what it needs by file name. */
export const swaggerUi: ReadonlyMap<string, Page> = new Map([
  ['', made('text/html; charset=utf-8', HTML)],
  ['start.js', made('text/javascript; charset=utf-8', START)],
  ['swagger-ui-bundle.js', vendored('swagger-ui-bundle.js', 'text/javascript; charset=utf-8')],
  ['swagger-ui.css', vendored('swagger-ui.css', 'text/css; charset=utf-8')],
]);
