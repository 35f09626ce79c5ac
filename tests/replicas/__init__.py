"""Several replicas of the service as one: behind a load balancer, while parts of it die."""
