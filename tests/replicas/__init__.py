"""Several replicas as one service: behind a load balancer, while parts of it die."""
