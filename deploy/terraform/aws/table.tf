# A global table for heartbeats, or for an application: the same one does for both. Made only where that is wished for.

resource "aws_dynamodb_table" "this" {
  count = var.create_table ? 1 : 0

  region       = var.regions[0]
  name         = var.table
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = var.partition_key
  range_key    = var.sort_key

  # Replication goes by the stream, and wants both images.
  stream_enabled   = true
  stream_view_type = "NEW_AND_OLD_IMAGES"

  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  dynamic "attribute" {
    for_each = compact([var.partition_key, var.sort_key])
    content {
      name = attribute.value
      type = "S"
    }
  }

  point_in_time_recovery {
    enabled = var.point_in_time_recovery
  }

  dynamic "server_side_encryption" {
    for_each = length(var.kms_key_arns) == 0 ? [] : [var.kms_key_arns[var.regions[0]]]
    content {
      enabled     = true
      kms_key_arn = server_side_encryption.value
    }
  }

  # Replicas take over neither backups, tags nor protection by themselves.
  dynamic "replica" {
    for_each = slice(var.regions, 1, length(var.regions))
    content {
      region_name                 = replica.value
      consistency_mode            = var.consistency
      kms_key_arn                 = lookup(var.kms_key_arns, replica.value, null)
      point_in_time_recovery      = var.point_in_time_recovery
      deletion_protection_enabled = var.deletion_protection
      propagate_tags              = true
    }
  }

  dynamic "global_table_witness" {
    for_each = var.witness_region == null ? [] : [var.witness_region]
    content {
      region_name = global_table_witness.value
    }
  }

  # What would replace or remove it would take its data along: another first region or key, or create_table at false.
  lifecycle {
    prevent_destroy = true
  }
}
