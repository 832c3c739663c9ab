// `npm run screenshot`: renews the picture in the README.

import { statSync } from 'node:fs';
import { join } from 'node:path';
import { startServer } from '../setup/edges.ts';
import { DIGITS, draw, launch, open } from './chromium.ts';

const PICTURE = join(import.meta.dirname, '../../docs/playground.png');

const server = await startServer({ MODEL_REPOSITORY: join(import.meta.dirname, '../../model-artifacts') });
const browser = await launch();
try {
  const { page } = await open(browser, server.url, { viewport: { width: 1200, height: 1150 } });
  await page.getByRole('button', { name: 'Sample zero.png' }).waitFor();
  for (const digit of [3, 5, 7]) {
    await page.getByRole('button', { name: 'Clear' }).click();
    const answered = page.waitForResponse((response) => response.url().endsWith('/infer'));
    await draw(page, DIGITS[digit] as (typeof DIGITS)[number]);
    await answered;
  }
  await page.getByLabel('Method').selectOption('kernel_shap');
  await page.getByRole('button', { name: 'Explain' }).click();
  await page.locator('.heat-map').waitFor();
  await page.mouse.move(0, 0);
  await page.evaluate('document.activeElement.blur(); scrollTo(0, 0)');
  await page.screenshot({ path: PICTURE });
} finally {
  await browser.close();
  await server.close();
}
console.log(`docs/playground.png: ${statSync(PICTURE).size} bytes`);
