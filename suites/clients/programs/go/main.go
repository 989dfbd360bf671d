// Tokens for one process by azidentity, on the machine where it runs; a line of JSON says what came of each acquisition. With BEGUN
// set it makes that file after the first one, awaits the file RESUME, moves its clock by SHIFT_S and asks for a token again.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/Azure/azure-sdk-for-go/sdk/azidentity" {
			return module.Version
		}
	}
	return ""
}

func acquire(credential azcore.TokenCredential) {
	began := time.Now()
	token, err := credential.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{"https://vault.azure.net/.default"}})
	said := map[string]any{"seconds": time.Since(began).Seconds(), "version": version(), "error": ""}
	if err != nil {
		said["error"] = fmt.Sprintf("%T", err)
		fmt.Fprintln(os.Stderr, err)
	} else if token.Token == "" {
		said["error"] = "no token"
	}
	must(json.NewEncoder(os.Stdout).Encode(said))
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	credential, err := azidentity.NewManagedIdentityCredential(nil)
	must(err)
	acquire(credential)
	begun := os.Getenv("BEGUN")
	if begun == "" {
		return
	}
	must(os.WriteFile(begun, nil, 0o600))
	for {
		if _, err := os.Stat(os.Getenv("RESUME")); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	shift, err := strconv.ParseFloat(os.Getenv("SHIFT_S"), 64)
	must(err)
	time.Ahead = time.Duration(shift * float64(time.Second)) // the build lays this over package time: go_clock.py
	acquire(credential)
}
