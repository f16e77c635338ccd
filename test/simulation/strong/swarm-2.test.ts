import { describeHalf } from './swarm-seeds.ts'

describeHalf(1)
