"""Fleet provisioning: devices that register by themselves, with a claim certificate they share.

A device shows the claim certificate, which can do nothing but ask for a certificate of its own. AWS
IoT asks the provision function, and then does what the provisioning template says: a thing with the
serial number as its name, the certificate, and the policy of all devices. In the template only
where ``devices.fleet_provisioning`` is set, as some regions lack the type.
"""

from __future__ import annotations

import json
from typing import Any

from troposphere import GetAtt, Output, Ref, Sub, Template, awslambda, iot

from functions.inventory import PROVISION
from infrastructure.core.device_policy import IOT_ARN
from infrastructure.core.policies import allow, document, inline, own_arn, service_role

__all__ = ["add_provisioning"]

TEMPLATE_ARN = "iot:provisioningtemplate/${AWS::StackName}"
CLAIM_CLIENT = "claim-*"
"""Client ids of devices that ask for a certificate. With any id, whoever has the claim certificate
could disconnect a device by connecting under its name."""
CLAIM_TOPICS = (
    "$aws/certificates/create/*",
    "$aws/certificates/create-from-csr/*",
    "$aws/provisioning-templates/${AWS::StackName}/provision/*",
)
"""Topics of the provisioning API, requests and answers
(docs.aws.amazon.com/iot/latest/developerguide/fleet-provision-api.html, read 2026-11)."""
CERTIFICATE_ID = "AWS::IoT::Certificate::Id"


def add_provisioning(template: Template) -> None:
    """Add provisioning template and role, the claim certificate's policy, the hook's permission.

    The hook itself is a function like the others (:mod:`infrastructure.core.compute`).
    """
    template.add_resource(
        service_role("ProvisioningRole", "iot", inline("RegisterDevices", *_registration()))
    )
    template.add_resource(
        awslambda.Permission(
            "ProvisionPermission",
            Action="lambda:InvokeFunction",
            FunctionName=GetAtt("ProvisionFunction", "Arn"),
            Principal="iot.amazonaws.com",
            SourceAccount=Ref("AWS::AccountId"),
            SourceArn=own_arn(TEMPLATE_ARN),
        )
    )
    template.add_resource(
        iot.ProvisioningTemplate(
            "ProvisioningTemplate",
            TemplateName=Ref("AWS::StackName"),
            Description=Sub("Devices of ${AWS::StackName} that register by themselves"),
            Enabled=True,
            ProvisioningRoleArn=GetAtt("ProvisioningRole", "Arn"),
            PreProvisioningHook=iot.ProvisioningHook(
                PayloadVersion="2020-04-01", TargetArn=GetAtt("ProvisionFunction", "Arn")
            ),
            TemplateBody=Sub(json.dumps(_body(), sort_keys=True)),
            DependsOn=["ProvisionPermission"],
        )
    )
    template.add_resource(iot.Policy("ClaimPolicy", PolicyDocument=document(*_claim())))
    for name, value in {
        "ProvisioningTemplateName": Ref("ProvisioningTemplate"),
        "ClaimPolicyName": Ref("ClaimPolicy"),
        f"{PROVISION.title}FunctionName": Ref(f"{PROVISION.title}Function"),
        f"{PROVISION.title}LogGroupName": Ref(f"{PROVISION.title}LogGroup"),
    }.items():
        template.add_output(Output(name, Value=value))


def _body() -> dict[str, Any]:
    """The provisioning template, as text for ``Fn::Sub``."""
    return {
        "Parameters": {"SerialNumber": {"Type": "String"}, CERTIFICATE_ID: {"Type": "String"}},
        "Resources": {
            "thing": {
                "Type": "AWS::IoT::Thing",
                "Properties": {"ThingName": {"Ref": "SerialNumber"}},
            },
            "certificate": {
                "Type": "AWS::IoT::Certificate",
                "Properties": {"CertificateId": {"Ref": CERTIFICATE_ID}, "Status": "Active"},
            },
            "policy": {
                "Type": "AWS::IoT::Policy",
                "Properties": {"PolicyName": "${DevicePolicy}"},
            },
        },
    }


def _registration() -> list[dict[str, Any]]:
    """Statements of the role by which AWS IoT registers a device: of AWSIoTThingsRegistration, the
    actions that this provisioning template leads to (read 2026-11; not tried in an account)."""
    things, certificates = Sub(f"{IOT_ARN}thing/*"), Sub(f"{IOT_ARN}cert/*")
    return [
        allow(
            [
                "iot:CreateThing", "iot:DescribeThing", "iot:ListThingGroupsForThing",
                "iot:UpdateThing",
            ],
            things,
            sid="Things",
        ),
        allow(
            [
                "iot:AttachPolicy", "iot:AttachPrincipalPolicy", "iot:DescribeCertificate",
                "iot:UpdateCertificate",
            ],
            certificates,
            sid="Certificates",
        ),
        allow(["iot:GetPolicy"], Sub(f"{IOT_ARN}policy/${{DevicePolicy}}"), sid="Policy"),
        # IAM knows no resource of these: Service Authorization Reference, 2026-11.
        allow(
            ["iot:AttachThingPrincipal", "iot:ListAttachedPolicies", "iot:ListThingPrincipals"],
            "*",
            sid="Principals",
        ),
    ]  # fmt: skip


def _claim() -> list[dict[str, Any]]:
    """Statements of the policy of claim certificates: ask for a certificate, and nothing else."""
    topics = [Sub(f"{IOT_ARN}topic/{topic}") for topic in CLAIM_TOPICS]
    filters = [Sub(f"{IOT_ARN}topicfilter/{topic}") for topic in CLAIM_TOPICS]
    return [
        allow(["iot:Connect"], Sub(f"{IOT_ARN}client/{CLAIM_CLIENT}"), sid="AsAClaim"),
        allow(["iot:Publish", "iot:Receive"], topics, sid="Ask"),
        allow(["iot:Subscribe"], filters, sid="Listen"),
    ]
