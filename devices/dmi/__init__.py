"""KubeEdge's device management interface (gRPC over unix sockets): mappers report to the gateway, and are called back."""
