package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/client"
)

// A service asks before it does what it was asked to do, and does it only when the
// answer is allow.
func Example() {
	// Stands for a Verdict; tests of one's own have client/clienttest.
	verdict := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"decision":"deny","reasons":[{"code":"RECIPIENT_OPTED_OUT","guard":"recipient","message":"The recipient wants no mail."}]}`)
	}))
	defer verdict.Close()

	pdp, err := client.New(client.Config{Server: verdict.URL, Key: "vk_of_the_mail_gateway"})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	decision, err := pdp.Decide(ctx, api.DecideRequest{
		Credential: &api.Credential{Token: "the caller's access token"},
		Action:     &api.Action{Name: "email.send"},
		Resource:   &api.Resource{Type: "service", ID: "svc:email", Properties: map[string]any{"recipient": "u-ana"}},
	})
	var failed *client.Error
	switch {
	case errors.As(err, &failed):
		fmt.Println("no decision, so no mail:", failed.Code, failed.Fix)
	case err != nil:
		fmt.Println("interrupted")
	case decision.Outcome == api.Allow:
		fmt.Println("sent")
	default:
		fmt.Println("denied:", decision.Reasons[0].Code)
	}
	// Output: denied: RECIPIENT_OPTED_OUT
}
