package transport

import (
	"testing"

	"github.com/parlor-rooms/parlor/transport/transporttest/testenv"
)

func TestEveryCountOfAHandlerIsPublished(t *testing.T) {
	testenv.Published(t, new(meters).publish)
}
