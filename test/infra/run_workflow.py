"""Runs executions of a state machine on a local AWS, and is the one who trains.

Reads {"definition", "runs": {id: [outcome of each training, …]}} on standard input; AWS_ENDPOINT_URL and credentials come
from the environment. An outcome is "trained", or the cause of a failure. Prints, by id, {"status", "output", "jobs" (the names
that were asked for), "concluded" (what the concluding function was given)}, and under "failures" the messages that wait for a
redrive.
"""

import io
import json
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import boto3

TIMEOUT_S = 120
ROLE = "arn:aws:iam::000000000000:role/any"
# What each function does is told by the id of the run.
FUNCTIONS = {
    "judge": "return {'outcome': 'reject' if 'worse' in event['id'] else 'promote', 'given': event}",
    "promote": """
    if 'unlucky' in event['id']:
        raise RuntimeError('the repository does not answer')
    return {'outcome': 'promoted', 'version': '2', 'given': event}""",
    "conclude": """
    import json, os
    with open(os.path.join(os.environ['CONCLUDED'], event['id']), 'a') as file:
        file.write(json.dumps(event) + '\\n')""",
}

given = json.load(sys.stdin)
concluded = Path(tempfile.mkdtemp())
sqs, states, functions = boto3.client("sqs"), boto3.client("stepfunctions"), boto3.client("lambda")
training = sqs.create_queue(QueueName="training")["QueueUrl"]
failures = sqs.create_queue(QueueName="failures")["QueueUrl"]


def code(body: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("main.py", f"def handler(event, context):\n    {body.strip()}\n")
    return buffer.getvalue()


definition = given["definition"]
for name, body in FUNCTIONS.items():
    arn = functions.create_function(
        FunctionName=name,
        Runtime="python3.12",
        Handler="main.handler",
        Role=ROLE,
        Timeout=30,
        Code={"ZipFile": code(body)},
        Environment={"Variables": {"CONCLUDED": str(concluded)}},
    )["FunctionArn"]
    for state in definition["States"].values():
        if state.get("Resource", "").endswith(f":function:{name}"):
            state["Resource"] = arn
definition["States"]["Train"]["Parameters"]["QueueUrl"] = training
definition["States"]["KeepForRedrive"]["Parameters"]["QueueUrl"] = failures

machine = states.create_state_machine(name="workflow", definition=json.dumps(definition), roleArn=ROLE)
executions = {
    run: states.start_execution(
        stateMachineArn=machine["stateMachineArn"],
        name=run,
        input=json.dumps({"model": "digits", "id": run, "snapshot": f"s3://bucket/snapshots/digits/{run}/"}),
    )["executionArn"]
    for run in given["runs"]
}


def messages(queue: str) -> list[dict]:
    found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    for message in found:
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in found]


jobs: dict[str, list[str]] = {run: [] for run in executions}
end = time.monotonic() + TIMEOUT_S
descriptions: dict[str, dict] = {}
while time.monotonic() < end:
    for message in messages(training):
        request = message["request"]
        run = request["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"].split("/")[-2]
        outcome = given["runs"][run][len(jobs[run])]
        jobs[run].append(request["TrainingJobName"])
        if outcome == "trained":
            answer = json.dumps({"TrainingJobName": request["TrainingJobName"], "TrainingJobStatus": "Completed"})
            states.send_task_success(taskToken=message["taskToken"], output=answer)
        else:
            states.send_task_failure(taskToken=message["taskToken"], error="States.TaskFailed", cause=outcome)
    descriptions = {run: states.describe_execution(executionArn=arn) for run, arn in executions.items()}
    if all(found["status"] != "RUNNING" for found in descriptions.values()):
        break
    time.sleep(0.2)

report: dict[str, object] = {
    run: {
        "status": found["status"],
        "output": json.loads(found.get("output") or "null"),
        "jobs": jobs[run],
        "concluded": [json.loads(line) for line in (concluded / run).read_text().splitlines()],
    }
    for run, found in descriptions.items()
}
report["failures"] = messages(failures)
print(json.dumps(report))
