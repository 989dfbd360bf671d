// What a program with the SDK for Go does in a stack, step by step; each line says what came of a step.
// Arguments: the stack file. The environment is that of `brownout env`.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
)

type stackFile struct {
	AWS struct {
		AccountID string `json:"account_id"`
	}
	Regions map[string]struct {
		AWSName string `json:"aws_name"`
		STSURL  string `json:"sts_url"`
	}
	Machines map[string]struct {
		IMDSURL        string `json:"imds_url"`
		AWSMetadataURL string `json:"aws_metadata_url"`
	}
}

// A token in memory, as stscreds wants it.
type token string

func (text token) GetIdentityToken() ([]byte, error) { return []byte(text), nil }

// A signer whose clock is ahead.
type aheadSigner struct {
	signer *v4.Signer
	by     time.Duration
}

func (s aheadSigner) SignHTTP(ctx context.Context, creds aws.Credentials, r *http.Request, hash, service, region string, at time.Time, options ...func(*v4.SignerOptions)) error {
	return s.signer.SignHTTP(ctx, creds, r, hash, service, region, at.Add(s.by), options...)
}

var ctx = context.Background()

func said(step string, result any) { fmt.Printf("%s: %v\n", step, result) }

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func resource(arn *string) string { return (*arn)[strings.LastIndex(*arn, ":")+1:] }

// The error of a call that has to be refused: whether it is of the SDK's type for it, and its code.
func refused[T error](_ any, err error) string {
	var typed T
	var api smithy.APIError
	if !errors.As(err, &api) {
		return fmt.Sprint("not refused: ", err)
	}
	return fmt.Sprint(errors.As(err, &typed), " ", api.ErrorCode())
}

func fault(method, order string) string {
	request := must(http.NewRequest(method, os.Getenv("BROWNOUT_FAULTS_URL")+"/faults/go", strings.NewReader(order)))
	request.Header.Set("Authorization", "Bearer "+os.Getenv("BROWNOUT_FAULTS_TOKEN"))
	request.Header.Set("Content-Type", "application/json")
	answer := must(http.DefaultClient.Do(request))
	defer answer.Body.Close()
	var told struct{ State string }
	must(0, json.NewDecoder(answer.Body).Decode(&told))
	return told.State
}

func managedIdentityToken(machine string) token {
	request := must(http.NewRequest("GET", machine+"/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/", nil))
	request.Header.Set("Metadata", "true")
	answer := must(http.DefaultClient.Do(request))
	defer answer.Body.Close()
	var told struct {
		AccessToken string `json:"access_token"`
	}
	must(0, json.Unmarshal(must(io.ReadAll(answer.Body)), &told))
	return token(told.AccessToken)
}

func main() {
	var stack stackFile
	must(0, json.Unmarshal(must(os.ReadFile(os.Args[1])), &stack))
	settings := must(config.LoadDefaultConfig(ctx))
	role := func(name string) *string { return aws.String("arn:aws:iam::" + stack.AWS.AccountID + ":role/" + name) }
	machine := stack.Machines["web-1"]
	identity := func(client *sts.Client) string {
		return resource(must(client.GetCallerIdentity(ctx, nil)).Arn)
	}

	// STS: at home and at the endpoint of another region.
	regional := sts.NewFromConfig(settings)
	said("caller", identity(regional))
	asked := sts.AssumeRoleInput{RoleArn: role("app"), RoleSessionName: aws.String("go"), DurationSeconds: aws.Int32(900)}
	tagged := asked
	tagged.Tags = []types.Tag{{Key: aws.String("team"), Value: aws.String("a b")}}
	said("tags", refused[smithy.APIError](regional.AssumeRole(ctx, &tagged)))
	app := must(regional.AssumeRole(ctx, &asked))
	said("assumed", resource(app.AssumedRoleUser.Arn))
	session := func(secret string) aws.CredentialsProvider {
		return credentials.NewStaticCredentialsProvider(*app.Credentials.AccessKeyId, secret, *app.Credentials.SessionToken)
	}
	south := func(o *sts.Options) {
		o.Region, o.BaseEndpoint = stack.Regions["melbourne"].AWSName, aws.String(stack.Regions["melbourne"].STSURL)
		o.Credentials = session(*app.Credentials.SecretAccessKey)
	}
	elsewhere := sts.NewFromConfig(settings, south)
	said("elsewhere", identity(elsewhere))

	// A token of the other vendor instead of keys.
	given := managedIdentityToken(machine.IMDSURL)
	byToken := func(text token, at *sts.Client) (any, error) {
		return stscreds.NewWebIdentityRoleProvider(at, *role("web-identity"), text, func(o *stscreds.WebIdentityRoleOptions) {
			o.RoleSessionName = "go"
		}).Retrieve(ctx)
	}
	web := must(byToken(given, regional)).(aws.Credentials)
	said("web identity", identity(sts.NewFromConfig(settings, func(o *sts.Options) {
		o.Credentials = credentials.StaticCredentialsProvider{Value: web}
	})))
	said("bad token", refused[*types.InvalidIdentityTokenException](byToken("a.b.c", regional)))
	wrong := asked
	wrong.Policy = aws.String("{")
	said("bad policy", refused[*types.MalformedPolicyDocumentException](regional.AssumeRole(ctx, &wrong)))

	// A machine's credentials, and what its role may not do.
	onMachine := settings.Copy()
	onMachine.Credentials = aws.NewCredentialsCache(ec2rolecreds.New(func(o *ec2rolecreds.Options) {
		o.Client = imds.New(imds.Options{Endpoint: machine.AWSMetadataURL})
	}))
	said("machine", strings.Split(identity(sts.NewFromConfig(onMachine)), "/")[1])
	said("denied", refused[smithy.APIError](iam.NewFromConfig(onMachine).ListUsers(ctx, nil)))
	said("wrong secret", refused[smithy.APIError](sts.NewFromConfig(settings, func(o *sts.Options) {
		o.Credentials = session("x")
	}).GetCallerIdentity(ctx, nil)))

	// IAM: users made, read, listed page by page, and deleted.
	users := iam.NewFromConfig(settings)
	for _, name := range []string{"go-1", "go-2", "go-3"} {
		must(users.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String(name), Path: aws.String("/go/")}))
	}
	twice := &iam.CreateUserInput{UserName: aws.String("go-1")}
	said("made twice", refused[*iamtypes.EntityAlreadyExistsException](users.CreateUser(ctx, twice)))
	read := must(users.GetUser(ctx, &iam.GetUserInput{UserName: aws.String("go-2")}))
	said("read", !read.User.CreateDate.IsZero())
	var pages []string
	paging := iam.NewListUsersPaginator(users, &iam.ListUsersInput{PathPrefix: aws.String("/go/"), MaxItems: aws.Int32(1)})
	for paging.HasMorePages() {
		var names []string
		for _, user := range must(paging.NextPage(ctx)).Users {
			names = append(names, *user.UserName)
		}
		pages = append(pages, strings.Join(names, ","))
	}
	said("pages", strings.Join(pages, " "))
	for _, name := range pages {
		must(users.DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String(name)}))
	}
	gone := &iam.GetUserInput{UserName: aws.String("go-2")}
	said("deleted", refused[*iamtypes.NoSuchEntityException](users.GetUser(ctx, gone)))

	// A session and a token that have ended, by the clock of a region that is ahead; and a client whose own clock is right.
	said("ahead", fault("PUT", `{"fault": "clock-skew", "target": "melbourne.token", "parameters": {"by": "26h"}}`))
	ahead := sts.NewFromConfig(settings, south, func(o *sts.Options) {
		o.HTTPSignerV4 = aheadSigner{v4.NewSigner(), 26 * time.Hour}
	})
	said("expired session", refused[*types.ExpiredTokenException](ahead.GetCallerIdentity(ctx, nil)))
	said("other clock", refused[smithy.APIError](elsewhere.GetCallerIdentity(ctx, nil)))
	said("expired token", refused[*types.ExpiredTokenException](byToken(given, elsewhere)))
	said("right again", fault("DELETE", ""))
}
