package daemon

import (
	"context"

	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/demo"
)

// setUpDemo imports the demo data once, with the dates of that day, into a store that
// does not know the demo issuer, and registers that issuer with the key of this data directory.
func (d *Daemon) setUpDemo(ctx context.Context) error {
	if !d.config.Demo {
		return nil
	}
	if _, err := d.store.Get(authz.Issuers, demo.IssuerID); err == nil {
		return nil
	} else if authz.CodeOf(err) != authz.CodeNotFound {
		return err
	}
	report, err := d.control.Import(ctx, node, demo.Import(d.config.DemoDay), nil)
	if err != nil {
		return err
	}
	if report.Failed > 0 {
		return authz.Errorf(authz.CodeInternal, "the demo data has bad lines, the first at line %d: %s", report.Errors[0].Line, report.Errors[0].Message)
	}
	issuer, err := demo.Issuer(d.config.Data)
	if err != nil {
		return err
	}
	_, err = d.control.Put(ctx, node, issuer, authz.Precondition{})
	return err
}

// node is the author of what the node does by itself.
var node = authz.Node()
