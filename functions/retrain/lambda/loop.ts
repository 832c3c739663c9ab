import { awsOutside } from '../aws.ts';
import { type Loop, loopOf } from '../compose.ts';
import { readPlaces, readReach } from '../env.ts';

let made: Loop | undefined;

/** The guards as they are on AWS, made once in an execution environment. */
export function loop(): Loop {
  made ??= make();
  return made;
}

function make(): Loop {
  const { stateMachines, topic } = readReach(process.env);
  const known = new Map(Object.entries(stateMachines));
  const reach = { stateMachineOf: (model: string) => known.get(model), topic };
  return loopOf(awsOutside(readPlaces(process.env), reach, '/tmp/models'));
}
