import { fileURLToPath } from 'node:url';
import { bytesOf, HTML, type Page, SCRIPT, STYLE } from './page-files.ts';

const PAGE = `<!doctype html>
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

/** Pages load nothing from elsewhere, and nobody frames them. Swagger UI styles its elements in place. */
const policy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";

const vendored = (name: string, contentType: string): Page => ({
  contentType,
  policy,
  read: () => bytesOf(fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`))),
});

const made = (contentType: string, text: string): Page => ({ contentType, policy, read: async () => text });

/** Swagger UI over `/openapi.json`, all of it from this server, by path. */
export const swaggerUi: ReadonlyMap<string, Page> = new Map([
  ['/docs', made(HTML, PAGE)],
  ['/docs/start.js', made(SCRIPT, START)],
  ['/docs/swagger-ui-bundle.js', vendored('swagger-ui-bundle.js', SCRIPT)],
  ['/docs/swagger-ui.css', vendored('swagger-ui.css', STYLE)],
]);
