import { InvalidRequest } from './errors.ts';
import { JsonReader } from './json-reader.ts';
import { quote } from './names.ts';

/** The body of `POST /v2/repository/models/{model}/load`. */
export type LoadRequest = {
  /** A ModelConfig in JSON, in place of config.pbtxt. */
  readonly config: string | undefined;
  /** base64 of files in place of the repository's, by their path below the model's folder. */
  readonly files: ReadonlyMap<string, string>;
};

const FILE = /^file:([1-9][0-9]{0,8}\/[\w-][\w.-]{0,200})$/;

/**
 * Reads a load request, whose body may be empty; its parameters are strings: `config`, and `file:<version>/<name>`.
 * @throws InvalidRequest
 */
export function decodeLoadRequest(body: Uint8Array): LoadRequest {
  let config: string | undefined;
  const files = new Map<string, string>();
  if (body.length > 0) {
    const reader = new JsonReader(body);
    reader.object('the request', (key) => {
      if (key !== 'parameters') {
        reader.skip(quote(key));
        return;
      }
      reader.object("'parameters' of the request", (name) => {
        const [, path] = FILE.exec(name) ?? [];
        if (name === 'config') config = reader.string("parameter 'config'");
        else if (path !== undefined) files.set(path, reader.string(`parameter ${quote(name)}`));
        else {
          throw new InvalidRequest(
            `parameter ${quote(name)} is unknown; expected 'config' or 'file:<version>/<file name>'`,
          );
        }
      });
    });
    reader.end();
  }
  if (files.size > 0 && config === undefined) {
    throw new InvalidRequest("the request brings files but no 'config'; expected the model's configuration as well");
  }
  return { config, files };
}
