import { ModelRejected } from '../inference/ports.ts';
import type { ModelConfig } from '../protocol/model-config.ts';
import { MODEL_CONFIG } from './model-config-schema.ts';
import { readText } from './protobuf-text.ts';

/**
 * Reads a config.pbtxt: protobuf text format, in every form that Triton's own tools write.
 * @throws ModelRejected that says where the text is wrong
 */
export function parseModelConfig(text: string): ModelConfig {
  let config: ModelConfig;
  try {
    config = readText(MODEL_CONFIG, text);
  } catch (error) {
    if (!(error instanceof ModelRejected)) throw error;
    throw new ModelRejected(`config.pbtxt can't be read: ${error.message}`);
  }
  checkFileNames(config);
  return config;
}

/** @throws ModelRejected for a file that is not in the model's own folder */
export function checkFileNames(config: ModelConfig): void {
  const files = [
    config.default_model_filename,
    ...(config.output ?? []).map((output) => output.label_filename),
    ...(config.model_warmup ?? []).flatMap(({ inputs = {} }) =>
      Object.values(inputs).map((input) => input.input_data_file),
    ),
  ];
  for (const file of files) {
    if (file !== undefined && (!/^[\w.-]{1,255}$/.test(String(file)) || /^\.+$/.test(String(file)))) {
      throw new ModelRejected('config.pbtxt names a file outside of its folder; expected plain file names');
    }
  }
}
