"""Services that have a role of their own in an account, with the role's name and permissions as AWS names them.

Wire facts: docs/reference/aws-wire.md#service-linked-roles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LinkedService:
    """What a service's role is called, which AWS managed policy it has, and whether there may be several of it."""

    role_name: str
    policy_name: str
    takes_suffix: bool = False


LINKED_SERVICES: Mapping[str, LinkedService] = {
    "access-analyzer.amazonaws.com": LinkedService("AWSServiceRoleForAccessAnalyzer", "AccessAnalyzerServiceRolePolicy"),
    "autoscaling.amazonaws.com": LinkedService("AWSServiceRoleForAutoScaling", "AutoScalingServiceRolePolicy", True),
    "backup.amazonaws.com": LinkedService("AWSServiceRoleForBackup", "AWSBackupServiceLinkedRolePolicyForBackup"),
    "batch.amazonaws.com": LinkedService("AWSServiceRoleForBatch", "BatchServiceRolePolicy"),
    "cloudtrail.amazonaws.com": LinkedService("AWSServiceRoleForCloudTrail", "CloudTrailServiceRolePolicy"),
    "config.amazonaws.com": LinkedService("AWSServiceRoleForConfig", "AWSConfigServiceRolePolicy"),
    "connect.amazonaws.com": LinkedService("AWSServiceRoleForAmazonConnect", "AmazonConnectServiceLinkedRolePolicy", True),
    "dynamodb.application-autoscaling.amazonaws.com": LinkedService(
        "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable", "AWSApplicationAutoscalingDynamoDBTablePolicy"
    ),
    "ec2fleet.amazonaws.com": LinkedService("AWSServiceRoleForEC2Fleet", "AWSEC2FleetServiceRolePolicy"),
    "ecs.amazonaws.com": LinkedService("AWSServiceRoleForECS", "AmazonECSServiceRolePolicy"),
    "ecs.application-autoscaling.amazonaws.com": LinkedService(
        "AWSServiceRoleForApplicationAutoScaling_ECSService", "AWSApplicationAutoscalingECSServicePolicy"
    ),
    "eks.amazonaws.com": LinkedService("AWSServiceRoleForAmazonEKS", "AmazonEKSServiceRolePolicy"),
    "eks-nodegroup.amazonaws.com": LinkedService("AWSServiceRoleForAmazonEKSNodegroup", "AWSServiceRoleForAmazonEKSNodegroup"),
    "elasticache.amazonaws.com": LinkedService("AWSServiceRoleForElastiCache", "ElastiCacheServiceRolePolicy"),
    "elasticbeanstalk.amazonaws.com": LinkedService(
        "AWSServiceRoleForElasticBeanstalk", "AWSElasticBeanstalkServiceRolePolicy"
    ),
    "elasticloadbalancing.amazonaws.com": LinkedService(
        "AWSServiceRoleForElasticLoadBalancing", "AWSElasticLoadBalancingServiceRolePolicy"
    ),
    "es.amazonaws.com": LinkedService("AWSServiceRoleForAmazonElasticsearchService", "AmazonElasticsearchServiceRolePolicy"),
    "guardduty.amazonaws.com": LinkedService("AWSServiceRoleForAmazonGuardDuty", "AmazonGuardDutyServiceRolePolicy"),
    "inspector2.amazonaws.com": LinkedService("AWSServiceRoleForAmazonInspector2", "AmazonInspector2ServiceRolePolicy"),
    "kafka.amazonaws.com": LinkedService("AWSServiceRoleForKafka", "KafkaServiceRolePolicy"),
    "lex.amazonaws.com": LinkedService("AWSServiceRoleForLexBots", "AmazonLexBotPolicy"),
    "lexv2.amazonaws.com": LinkedService("AWSServiceRoleForLexV2Bots", "AmazonLexV2BotPolicy", True),
    "macie.amazonaws.com": LinkedService("AWSServiceRoleForAmazonMacie", "AmazonMacieServiceRolePolicy"),
    "opensearchservice.amazonaws.com": LinkedService(
        "AWSServiceRoleForAmazonOpenSearchService", "AmazonOpenSearchServiceRolePolicy"
    ),
    "ops.apigateway.amazonaws.com": LinkedService("AWSServiceRoleForAPIGateway", "APIGatewayServiceRolePolicy"),
    "organizations.amazonaws.com": LinkedService("AWSServiceRoleForOrganizations", "AWSOrganizationsServiceTrustPolicy"),
    "rds.amazonaws.com": LinkedService("AWSServiceRoleForRDS", "AmazonRDSServiceRolePolicy"),
    "spot.amazonaws.com": LinkedService("AWSServiceRoleForEC2Spot", "AWSEC2SpotServiceRolePolicy"),
    "spotfleet.amazonaws.com": LinkedService("AWSServiceRoleForEC2SpotFleet", "AWSEC2SpotFleetServiceRolePolicy"),
    "ssm.amazonaws.com": LinkedService("AWSServiceRoleForAmazonSSM", "AmazonSSMServiceRolePolicy"),
    "support.amazonaws.com": LinkedService("AWSServiceRoleForSupport", "AWSSupportServiceRolePolicy"),
    "transitgateway.amazonaws.com": LinkedService(
        "AWSServiceRoleForVPCTransitGateway", "AWSVPCTransitGatewayServiceRolePolicy"
    ),
    "trustedadvisor.amazonaws.com": LinkedService("AWSServiceRoleForTrustedAdvisor", "AWSTrustedAdvisorServiceRolePolicy"),
}
