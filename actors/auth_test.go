package actors_test

import (
	"testing"

	"github.com/parlor-rooms/parlor/actors"
)

func TestAnonymousClientsAreNobodyAndMayWhatIsGranted(t *testing.T) {
	a := actors.Anonymous(grants(t, actors.Grant{Pattern: "lobby/*", Ops: []actors.Op{actors.OpJoin}}))
	id, err := a.Authenticate(t.Context(), &actors.AuthRequest{Token: "of somebody"})
	if err != nil || id.Subject != "" || !id.In("/lobby/a").May(actors.OpJoin) || id.In("/board/a").May(actors.OpJoin) {
		t.Errorf("%+v, %v", id, err)
	}
	id, err = actors.Anonymous(nil).Authenticate(t.Context(), &actors.AuthRequest{})
	if err != nil || !id.In("/board/a").May(actors.OpModerate) {
		t.Errorf("%+v, %v", id, err)
	}
}
