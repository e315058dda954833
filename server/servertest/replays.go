package servertest

import (
	"context"
	"strconv"

	"github.com/verdict-pdp/verdict/api"
	"github.com/verdict-pdp/verdict/authz"
	"github.com/verdict-pdp/verdict/server/admin"
)

// Replays is a stage for admin.Replays and admin.Shadow: it answers what its
// fields say, and remembers what it was asked.
type Replays struct {
	// Run is the replay; nil compares nothing.
	Run func(context.Context, admin.ReplayRun) (authz.Comparison, error)
	// Err is answered for a shadow instead of Report, when set.
	Err    error
	Report authz.ShadowReport
	Asked  []string
}

// Replay implements admin.Replays.
func (r *Replays) Replay(ctx context.Context, run admin.ReplayRun) (authz.Comparison, error) {
	if r.Run == nil {
		return authz.Comparison{}, nil
	}
	return r.Run(ctx, run)
}

// StartShadow implements admin.Shadow.
func (r *Replays) StartShadow(_ context.Context, request api.ShadowRequest, by string) (authz.ShadowReport, error) {
	r.Asked = append(r.Asked, "start "+strconv.FormatUint(request.Generation, 10)+" by "+by)
	return r.Report, r.Err
}

// StopShadow implements admin.Shadow.
func (r *Replays) StopShadow(context.Context) (authz.ShadowReport, error) {
	r.Asked = append(r.Asked, "stop")
	return r.Report, r.Err
}

// ShadowReport implements admin.Shadow.
func (r *Replays) ShadowReport(context.Context) (authz.ShadowReport, error) { return r.Report, r.Err }
