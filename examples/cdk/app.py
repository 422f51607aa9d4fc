"""The pipeline in a CDK app, from a folder of `etl template export`.

    pip install aws-cdk-lib
    etl template export export --bucket my-artifacts
    aws s3 sync export/artifacts s3://my-artifacts
    npx cdk deploy --app "python app.py" --context export=export --context stack=telemetry

Then migrate the database and upload the contract: steps 3 and 4 of ``export/README.md``.
"""

from __future__ import annotations

import json
from pathlib import Path

from aws_cdk import App, DefaultStackSynthesizer, Stack
from aws_cdk.cloudformation_include import CfnInclude
from constructs import Construct


class Pipeline(Stack):
    """The core stack; add resources of your own beside the included ones."""

    def __init__(self, scope: Construct, name: str, folder: Path) -> None:
        """``folder``: that of the export; ``name``: the stack that it was made for."""
        # Without CDK's version rule, which would be one more parameter of the stack.
        synthesizer = DefaultStackSynthesizer(generate_bootstrap_version_rule=False)
        given = json.loads((folder / "core.parameters.json").read_text(encoding="utf-8"))
        super().__init__(scope, name, synthesizer=synthesizer, tags=given["Tags"])
        self.core = CfnInclude(
            self,
            "Core",
            template_file=str(folder / "core.json"),
            # CDK writes the values into the template, which then has no parameters.
            parameters=given["Parameters"],
        )


app = App()
Pipeline(app, app.node.get_context("stack"), Path(app.node.get_context("export")))
app.synth()
