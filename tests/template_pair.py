"""A SYNTHETIC legacy and current template, small and of our own; the vendor's bodies are not public."""

from fixtures.intrinsics import Pseudo

PSEUDO = Pseudo(
    account="111122223333",
    region="us-east-1",
    partition="aws",
    url_suffix="amazonaws.com",
    stack_name="lab-network",
    stack_id="arn:aws:cloudformation:us-east-1:111122223333:stack/lab-network/0",
)

LEGACY = """\
AWSTemplateFormatVersion: 2010-09-09
Description: SYNTHETIC deploys the SecureWorks TDR Lambda function for awscloudtrail logs stored in an S3 bucket
Parameters:
  NotificationBucket: {Type: String}
  SNSNotificationarn: {Type: String, Default: ''}
  NotificationBucketCustomerManagedKMSarn: {Type: String, Default: ''}
  CodeBucket: {Type: String, Default: old-code}
  LegacyToken: {Type: String, NoEcho: true, Default: canary-default}
Conditions:
  HasSNS: !Not [!Equals [!Ref SNSNotificationarn, '']]
  HasKMS: !Not [!Equals [!Ref NotificationBucketCustomerManagedKMSarn, '']]
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: 'sts:AssumeRole'}]
      Policies:
        - PolicyName: read
          PolicyDocument:
            Statement:
              - Effect: Allow
                Action: s3:GetObject
                Resource: !Sub arn:${AWS::Partition}:s3:::${NotificationBucket}/*
              - !If
                - HasKMS
                - {Effect: Allow, Action: 'kms:Decrypt', Resource: !Ref NotificationBucketCustomerManagedKMSarn}
                - !Ref AWS::NoValue
  Lambda:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: !Sub ${AWS::StackName}-scwx-tdr-lambda-awscloudtrail
      Runtime: go1.x
      Handler: main
      Role: !GetAtt Role.Arn
      Code: {S3Bucket: !Ref CodeBucket, S3Key: legacy.zip}
      Environment: {Variables: {TOKEN: !Ref LegacyToken}}
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !GetAtt Lambda.Arn
      Action: lambda:InvokeFunction
      Principal: !If [HasSNS, sns.amazonaws.com, s3.amazonaws.com]
      SourceArn: !If [HasSNS, !Ref SNSNotificationarn, !Sub 'arn:${AWS::Partition}:s3:::${NotificationBucket}']
"""

CURRENT = """\
AWSTemplateFormatVersion: 2010-09-09
Description: SYNTHETIC deploys the SecureWorks TDR Lambda function for ANY logs stored in an S3 bucket
Parameters:
  IntegrationType: {Type: String, AllowedValues: [awscloudtrail, generic]}
  NotificationBucket: {Type: String}
  SNSNotificationarn: {Type: String, Default: ''}
  NotificationBucketCustomerManagedKMSarn: {Type: String, Default: ''}
  TaegisLambdaS3BucketName: {Type: String}
  EnableObjectTagging: {Type: String, Default: 'false', AllowedValues: ['true', 'false']}
Conditions:
  HasSNS: !Not [!Equals [!Ref SNSNotificationarn, '']]
  HasKMS: !Not [!Equals [!Ref NotificationBucketCustomerManagedKMSarn, '']]
  Tagging: !Equals [!Ref EnableObjectTagging, 'true']
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: 'sts:AssumeRole'}]
      Policies:
        - PolicyName: read
          PolicyDocument:
            Statement:
              - Effect: Allow
                Action: !If [Tagging, ['s3:GetObject', 's3:PutObjectTagging'], 's3:GetObject']
                Resource: !Sub arn:${AWS::Partition}:s3:::${NotificationBucket}/*
              - Effect: Allow
                Action: secretsmanager:GetSecretValue
                Resource: !ImportValue taegis-secret-arn
  Lambda:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: !Join ['-', [!Ref 'AWS::StackName', scwx-tdr-lambda, !Ref IntegrationType]]
      Runtime: provided.al2
      Handler: bootstrap
      Role: !GetAtt Role.Arn
      Code: {S3Bucket: !Ref TaegisLambdaS3BucketName, S3Key: taegis-lambda-amd64.zip}
      Environment: {Variables: {SECRET: !ImportValue taegis-secret-arn}}
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      FunctionName: !GetAtt Lambda.Arn
      Action: lambda:InvokeFunction
      Principal: !If [HasSNS, sns.amazonaws.com, s3.amazonaws.com]
      SourceArn: !If [HasSNS, !Ref SNSNotificationarn, !Sub 'arn:${AWS::Partition}:s3:::${NotificationBucket}']
      SourceAccount: !Ref AWS::AccountId
Outputs:
  FunctionArn:
    Value: !GetAtt Lambda.Arn
    Export: {Name: !Sub '${AWS::StackName}-function'}
"""

SHARED = """\
AWSTemplateFormatVersion: 2010-09-09
Description: SYNTHETIC Taegis shared resources
Parameters:
  SecretValue: {Type: String, NoEcho: true, MinLength: 1}
  TaegisRegion: {Type: String, AllowedValues: [ctpx, delta, echo, foxtrot, golf]}
Resources:
  Secret:
    Type: AWS::SecretsManager::Secret
    Properties: {SecretString: !Ref SecretValue}
Outputs:
  SecretArn: {Value: !Ref Secret, Export: {Name: taegis-secret-arn}}
"""

OLD_PARAMETERS = {"NotificationBucket": "acme-trail", "LegacyToken": "****"}
NEW_PARAMETERS = {
    "IntegrationType": "awscloudtrail",
    "NotificationBucket": "acme-trail",
    "TaegisLambdaS3BucketName": "taegis-forwarders-111122223333-us-east-1-0a1b2c3d",
}
