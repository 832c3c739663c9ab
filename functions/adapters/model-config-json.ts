import { ModelRejected } from '../inference/ports.ts';
import { InvalidRequest } from '../protocol/errors.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import { MODEL_CONFIG } from './model-config-schema.ts';
import { checkFileNames } from './model-config-text.ts';
import { readJson } from './protobuf-json.ts';

/**
 * Reads the JSON form of a configuration, which a load request may bring along.
 * @throws ModelRejected that says what is wrong
 */
export function parseModelConfigJson(text: string): ModelConfig {
  let config: ModelConfig;
  try {
    config = readJson(MODEL_CONFIG, text);
  } catch (error) {
    if (!(error instanceof ModelRejected || error instanceof InvalidRequest)) throw error;
    throw new ModelRejected(`config.pbtxt can't be read: ${error.message}`);
  }
  checkFileNames(config);
  return config;
}
