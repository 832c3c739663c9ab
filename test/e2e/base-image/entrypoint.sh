#!/bin/sh
# Like AWS's image: within Lambda the runtime interface client alone, elsewhere behind the emulator.
client='/var/lang/bin/node /var/runtime/node_modules/aws-lambda-ric/index.mjs'
if [ -n "$AWS_LAMBDA_RUNTIME_API" ]; then
  exec $client "$1"
fi
exec /usr/local/bin/aws-lambda-rie $client "$1"
