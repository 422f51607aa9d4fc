# The pipeline as an `aws_cloudformation_stack`, from a folder of `etl template export`:
#
#   etl template export export --bucket my-artifacts
#   terraform apply -var export=../export -var bucket=my-artifacts -var stack=telemetry
#
# The bucket exists already: private, in the region of the stack. A platform stack, if there is one, is made
# as export/README.md says: Terraform can't change one resource twice in one run.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.40"
    }
  }
}

variable "export" {
  type        = string
  description = "Folder of `etl template export`."
}

variable "bucket" {
  type        = string
  description = "Bucket that the zips are uploaded to; the one that the export was made for."
}

variable "stack" {
  type        = string
  description = "Name of the stack; the one that the export was made for."
}

locals {
  given = jsondecode(file("${var.export}/core.parameters.json"))
}

# A key holds a digest of the content, so that an object never changes. Zips of before have to stay for a
# rollback, so Terraform must not delete them: `aws s3 sync` uploads, and deletes nothing.
resource "terraform_data" "artifacts" {
  triggers_replace = sort(fileset(var.export, "artifacts/**"))

  provisioner "local-exec" {
    command = "aws s3 sync \"${var.export}/artifacts\" \"s3://${var.bucket}\""
  }
}

# The template is too large for a request.
resource "aws_s3_object" "template" {
  bucket      = var.bucket
  key         = "templates/core-${filemd5("${var.export}/core.json")}.json"
  source      = "${var.export}/core.json"
  source_hash = filemd5("${var.export}/core.json")
}

resource "aws_cloudformation_stack" "core" {
  name         = var.stack
  template_url = "https://${aws_s3_object.template.bucket_regional_domain_name}/${aws_s3_object.template.key}"
  parameters   = local.given.Parameters
  tags         = local.given.Tags
  capabilities = ["CAPABILITY_IAM"]
  depends_on   = [terraform_data.artifacts]
}

# Creates or widens the table, once for each new template. Batches that come before it has ended wait for the
# sweep.
resource "aws_lambda_invocation" "migrate" {
  function_name = aws_cloudformation_stack.core.outputs["MigrateFunctionName"]
  input         = "{}"
  triggers      = { template = aws_s3_object.template.key }
}

# The contract in force, which every `etl` command reads; with it the database's authorities.
resource "aws_s3_object" "contract" {
  for_each    = fileset("${var.export}/data", "**")
  bucket      = aws_cloudformation_stack.core.outputs["DataBucketName"]
  key         = each.value
  source      = "${var.export}/data/${each.value}"
  source_hash = filemd5("${var.export}/data/${each.value}")
  depends_on  = [aws_lambda_invocation.migrate]
}
